"""The report before it has a format: sections of paragraphs, lists, plain grids, tables and figures."""

from __future__ import annotations

from dataclasses import dataclass, field

from pipanalysis.display.figure_model import FigureModel
from pipanalysis.display.table_model import TableModel


@dataclass(frozen=True)
class Paragraph:
    """Running text.

    Attributes:
        text: what it says.
        lead: its first words, which stand out; "" for none.
    """

    text: str
    lead: str = ""


@dataclass(frozen=True)
class Items:
    """A list of paragraphs of a kind."""

    items: tuple[Paragraph, ...]


@dataclass(frozen=True)
class Subheading:
    """A heading within a section."""

    text: str


@dataclass(frozen=True)
class Link:
    """A place in the report: its words and its id."""

    text: str
    target: str


@dataclass(frozen=True)
class Grid:
    """A plain table of words; a cell is text or links."""

    label: str
    header: tuple[str, ...]
    rows: tuple[tuple[str | tuple[Link, ...], ...], ...]


Block = Paragraph | Items | Subheading | Grid | TableModel | FigureModel


@dataclass
class Section:
    """A section: its id, heading and blocks."""

    name: str
    title: str
    blocks: list[Block] = field(default_factory=list)


@dataclass
class Rendered:
    """What the report shows as it was rendered, by the name of its display.

    Attributes:
        pictures: each figure that shows something, as SVG.
        tables: each table that has rows, as HTML.
    """

    pictures: dict[str, bytes] = field(default_factory=dict)
    tables: dict[str, str] = field(default_factory=dict)


@dataclass
class Report:
    """The report.

    Attributes:
        title: of the trial.
        subtitle: registration and the like; "" for none.
        marks: what must be said on every page.
        sections: in order.
        rendered: its figures and tables.
    """

    title: str
    subtitle: str
    marks: list[str]
    sections: list[Section]
    rendered: Rendered

    @property
    def displays(self) -> list[TableModel | FigureModel]:
        """Every table and figure, in order."""
        blocks = [block for section in self.sections for block in section.blocks]
        return [block for block in blocks if isinstance(block, TableModel | FigureModel)]


def anchor(block: TableModel | FigureModel) -> str:
    """Return the id of a table or figure in the report."""
    return f"{'table' if isinstance(block, TableModel) else 'figure'}-of-{block.name}"


def heading(block: TableModel | FigureModel) -> str:
    """Return the numbered title of a table or figure."""
    kind = "Table" if isinstance(block, TableModel) else "Figure"
    return f"{kind} {block.number}. {block.title}"
