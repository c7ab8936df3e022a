"""What every file of every display shows is what the results say: the PIP study with its reference results."""

from __future__ import annotations

import html
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from display.documents import pdf_pages
from display.figures import shown
from display.reference import reference_study
from display.test_formats import rtf_rows, word_rows
from display.test_report import NUMBER
from display.tracing import Rounded, displays, numbers_of, tokens
from pipanalysis.display.grid import lines, notes
from pipanalysis.display.latex_document import latex_text
from pipanalysis.display.report_model import Paragraph
from pipanalysis.display.report_results import results_in_words
from pipanalysis.display.step import DRAWINGS, figures, read_results, report, table_model, tables
from pipanalysis.files import read_parquet, sha256, write_parquet

if TYPE_CHECKING:
    from pipanalysis.display.results_index import ResultsIndex
    from pipanalysis.display.table_model import TableModel
    from pipanalysis.study.displays import Table
    from pipanalysis.study.figures import Figure
    from pipanalysis.study.load import Study

ENDINGS = ("html", "docx", "rtf", "tex")
PLAIN = r"\d+(?:\.\d+)?"
LEVEL = ("95", "0.95")
"""of the intervals, which the plan sets"""


@dataclass(frozen=True)
class Shown:
    """The study with every display rendered, and the models of its tables."""

    study: Study
    models: dict[str, TableModel]


@pytest.fixture(scope="module")
def rendered(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Shown:
    study = reference_study(root, tmp_path_factory.mktemp("pip"), figure_formats=["svg"])
    render(study)
    results, allocation = read_results(study)
    models = {table.name: table_model(study, table, results, allocation) for table in study.displays.tables}
    return Shown(study, models)


def render(study: Study) -> None:
    tables(study)
    figures(study)
    report(study)


def latex_rows(source: str) -> list[str]:
    """Return the text of each row of a table's body as it stands in LaTeX, its cells one after another."""
    rows = re.findall(r"(.*)\\\\\*?\n", source.split("\\endfoot\n")[1].split("\\end{longtable}")[0])
    plain = [
        re.sub(r"\\multicolumn\{\d+\}\{(?:@\{\})?p\{[\d.]+cm\}(?:@\{\\hspace\{[\d.]+cm\}\})?\}", "", row)
        for row in rows
    ]
    plain = [re.sub(r"\{\\(?:centering|raggedright)\\arraybackslash (.*?)\}(?= & |$)", r"\1", row) for row in plain]
    plain = [re.sub(r"\\leftskip=[\d.]+cm\\relax |\\hspace\*\{[\d.]+cm\}|\\bfseries ", "", row) for row in plain]
    return [row.replace(" & ", "").replace("~", " ") for row in plain]


def html_rows(source: str) -> list[str]:
    """Return the text of each row of the body of the one table of a page, its cells one after another."""
    body = source.split('<tbody class="gt_table_body">')[1].split("</tbody>")[0]
    rows = body.split("<tr")[1:]
    return [re.sub(r"\s*\n\s*", "", html.unescape(re.sub(r"<[^>]*>", "", "<tr" + row))).strip() for row in rows]


def test_every_format_of_every_table_has_the_cells_that_were_laid_out(rendered: Shown) -> None:
    cells = 0
    source = rendered.study.layout.report("html").read_text(encoding="utf-8")
    for name, model in rendered.models.items():
        body = [[line.label, *line.cells] for line in lines(model)]
        path = {ending: rendered.study.layout.table(name, ending) for ending in ENDINGS}
        below = [[note] for note in notes(model)]
        assert word_rows(path["docx"].read_bytes())[-len(body + below) :] == body + below, name
        assert rtf_rows(path["rtf"].read_text(encoding="ascii"))[-len(body + below) :] == body + below, name
        joined = ["".join(row).strip() for row in body]
        assert html_rows(path["html"].read_text(encoding="utf-8")) == joined, name
        assert html_rows(source.split(f'id="table-of-{name}"')[1]) == joined, name
        written = ["".join(map(latex_text, row)).replace("~", " ") for row in body]
        found = latex_rows(path["tex"].read_text(encoding="utf-8"))
        assert found[: len(body)] == written, name
        assert len(found) == len(body + below), name
        cells += sum(len(row) for row in body)
    assert cells > 5000


def test_latex_has_only_letters_that_every_tex_knows(rendered: Shown) -> None:
    """Latin letters with accents; all else is a command (pdfLaTeX stops at a character that it does not know)."""
    for table in rendered.study.displays.tables:
        source = rendered.study.layout.table(table.name, "tex").read_text(encoding="utf-8")
        assert not re.findall("[^\\x00-\\x7f\u00c0-\u017f]", source.partition("\\documentclass")[2]), table.name


def test_every_number_of_a_cell_is_in_the_numbers_beside_its_table(rendered: Shown) -> None:
    results, allocation = read_parquet(rendered.study.layout.estimates), {"allocation": "real"}
    known = set(results["stat"].dropna())
    found = 0
    for display in displays(rendered.study, results, allocation):
        assert set(display.numbers) <= known, display.name
        own = Rounded(pd.Series(display.numbers, dtype=float))
        assert not [cell for cell in display.cells if not own.has(cell)], display.name
        found += len(display.cells)
    assert found > 5000


def test_every_number_in_the_letters_of_a_figure_is_in_the_numbers_beside_it(rendered: Shown) -> None:
    """Axes are labelled with round numbers of their own; all else is a statistic, or part of a label."""
    results, allocation = read_results(rendered.study)
    labels = [v.label for v in rendered.study.visits.values()] + [o.label for o in rendered.study.plan.outcomes]
    found = 0
    for figure in rendered.study.displays.figures:
        model = DRAWINGS[figure.kind](rendered.study, figure, results, allocation)
        own = Rounded(pd.Series(numbers_of(model.records), dtype=float))
        svg = rendered.study.layout.figure(figure.name, "svg").read_text(encoding="utf-8")
        for text in map(html.unescape, shown(svg)):
            for label in labels:
                text = text.replace(label, "")
            if re.fullmatch(r"−?\d+(\.\d+)?|\d{4}-\d{2}", text) and figure.kind != "tipping_points":
                continue
            written = [token for token in tokens(text) if figure.kind != "tipping_points" or "." in text]
            assert not [token for token in written if not own.has(token)], (figure.name, text)
            found += len(written)
    assert found > 500


def test_every_number_in_the_results_in_words_is_of_its_outcome(rendered: Shown) -> None:
    results, _ = read_results(rendered.study)
    frame = read_parquet(rendered.study.layout.estimates)
    outcomes = {outcome.label: outcome.name for outcome in rendered.study.plan.outcomes}
    source = html.unescape(rendered.study.layout.report("html").read_text(encoding="utf-8"))
    told = 0
    for block in results_in_words(rendered.study, results):
        if not isinstance(block, Paragraph):
            continue
        assert f"{block.text}</p>" in source
        label = max((one for one in outcomes if block.lead.startswith(one)), key=len, default=None)
        if label is None:
            continue
        own = Rounded(frame.loc[frame["outcome"] == outcomes[label], "stat"])
        numbers = [number for number in NUMBER.findall(block.text) if number not in LEVEL]
        assert not [number for number in numbers if not own.has(number)], label
        told += len(numbers)
    assert told > 500


CHANGED = {
    77.77: {"analysis": "primary", "outcome": "bayley_cognitive", "visit": "month12", "stat_name": "estimate"},
    88.88: {"analysis": "bayes_single", "outcome": "cesd_total", "visit": "month6", "stat_name": "posterior_mean"},
    66.66: {"analysis": "descriptives", "outcome": "psi_total", "visit": "month6", "arm": "pip", "stat_name": "mean"},
}
"""numbers that no result is near, and the statistics that they take the place of"""
SHOWING = {
    77.77: {"effects", "sensitivity", "therapists", "double_programming", "dropout"},
    88.88: {"bayes_effects"},
    66.66: {"outcomes", "trajectories"},
}
"""the displays in whose numbers these statistics are: all of displays.yaml that list the analysis and outcome"""


def test_a_changed_number_changes_every_file_that_shows_it_and_no_other(rendered: Shown, tmp_path: Path) -> None:
    frame = read_parquet(rendered.study.layout.estimates)
    changed, old = frame.copy(), []
    for new, place in CHANGED.items():
        row = (frame["contrast"] != "") | (frame["arm"] != "")
        row &= frame["context"].isin(["", "prior=weakly_informative"])
        for column, value in ({"arm": ""} | place).items():
            row &= frame[column] == value
        assert row.sum() == 1
        old.append(float(frame.loc[row, "stat"].item()))
        changed.loc[row, "stat"] = new
    shutil.copytree(rendered.study.layout.root, tmp_path / "changed")
    study = replace(rendered.study, layout=replace(rendered.study.layout, root=tmp_path / "changed"))
    write_parquet(study.layout.estimates, changed)
    render(study)
    before = rendered.study.layout.results
    shows: dict[float, set[str]] = {new: set() for new in CHANGED}
    for path in (path for path in before.rglob("*") if path.is_file() and path != rendered.study.layout.estimates):
        after = study.layout.results / path.relative_to(before)
        come, gone = said(after) - said(path), said(path) - said(after)
        of = {new for new in CHANGED if path.parent.name in ("tables", "figures") and path.stem in SHOWING[new]}
        if path.suffix == ".svg":  # drawn, not written
            assert (sha256(after) != sha256(path)) == bool(of), path
        elif path.suffix == ".pdf":
            assert sha256(after) != sha256(path)
        elif path.suffix != ".txt":
            expected = of if path.stem != "report" else set(CHANGED)
            assert {new for new in CHANGED if any(near(token, new) for token in come)} == expected, path
        assert all(any(near(token, new) for new in CHANGED) for token in come), (path, come)
        assert all(Rounded(pd.Series(old)).has(token) for token in gone), (path, gone)
        if not of and path.stem != "report":
            assert sha256(after) == sha256(path), path
        for new in of:
            shows[new].add(path.stem)
    assert shows == SHOWING


def near(token: str, number: float) -> bool:
    """Tell whether a number as written is a changed one, rounded to whatever decimals or not at all."""
    return abs(float(token.lstrip("<>").replace("−", "-")) - number) <= 0.5


def said(path: Path) -> Counter[str]:
    """Count the numbers that a file shows."""
    if path.suffix == ".docx":
        return Counter(token for row in word_rows(path.read_bytes()) for cell in row for token in tokens(cell))
    if path.suffix == ".rtf":
        return Counter(token for row in rtf_rows(path.read_text("ascii")) for cell in row for token in tokens(cell))
    if path.suffix == ".html":
        source = re.sub(r"<(style|details).*?</\1>|base64,[^\"]*", "", path.read_text("utf-8"), flags=re.DOTALL)
        return Counter(tokens(html.unescape(re.sub(r"<[^>]*>", "", source))))
    if path.suffix in (".pdf", ".svg"):
        return Counter()
    return Counter(tokens(path.read_text("utf-8").replace("\\ensuremath{-}", "−").replace(" & .", ".")))


def test_every_number_in_words_beside_a_display_is_of_the_results_or_of_the_configuration(rendered: Shown) -> None:
    """Titles, leads, notes, row labels and alternative texts; but for years and months.

    A moderator's values one standard deviation from its mean are sums of two statistics.
    """
    results, allocation = read_results(rendered.study)
    frame = read_parquet(rendered.study.layout.estimates)
    files = (rendered.study.layout.root / "config").rglob("*.yaml")
    planned = {float(n) for path in files for n in re.findall(PLAIN, path.read_text(encoding="utf-8").replace("_", ""))}
    moderator = frame[frame["context"] == "moderator"].pivot_table(
        index=["analysis", "outcome"], columns="stat_name", values="stat"
    )
    derived = [moderator["mean"] - moderator["sd"], moderator["mean"] + moderator["sd"]]
    found = 0
    for display, texts in words(rendered, results, allocation):
        own = frame[frame["analysis"].isin(display.analyses)] if display.analyses else frame
        statistics = Rounded(pd.concat([own["stat"].dropna(), *derived]))
        told = {float(n) for column in ("warning", "error") for text in own[column] for n in re.findall(PLAIN, text)}
        for text in texts:
            written = tokens(re.sub(r"\b(19|20)\d\d(-\d\d)?\b", "", text))
            size = {token: float(token.lstrip("<>−").split()[0]) for token in written}
            assert not [t for t in written if not (size[t] in planned | told or statistics.has(t))], (
                display.name,
                text,
            )
            found += len(written)
    assert found > 1000


def test_no_page_of_the_report_holds_only_notes(rendered: Shown) -> None:
    """From the first table on, lines of every page begin with labels of rows, or with the report's later sections."""
    labels = {line.label for model in rendered.models.values() for line in lines(model) if line.kind == "row"}
    shown = pdf_pages(rendered.study.layout.report("pdf"))
    first = next(i for i, page in enumerate(shown) if "Table 1. " in page and "Contents" not in page and i > 3)
    last = max(i for i, page in enumerate(shown) if re.search(r"^Table \d+\. ", page, re.M))
    without = [
        i + 1
        for i in range(first, last + 1)
        if not any(text.strip().startswith(label) for text in shown[i].splitlines() for label in labels)
    ]
    assert last - first > 40
    assert not without


def words(
    rendered: Shown, results: ResultsIndex, allocation: dict[str, Any]
) -> Iterator[tuple[Table | Figure, list[str]]]:
    """Yield every display with the texts beside its numbers."""
    for table in rendered.study.displays.tables:
        model = rendered.models[table.name]
        labels = [row.label for group in model.groups for row in group.rows]
        yield table, [model.title, *model.lead, *model.notes, *model.footnotes, *labels]
    for figure in rendered.study.displays.figures:
        drawing = DRAWINGS[figure.kind](rendered.study, figure, results, allocation)
        yield figure, [drawing.title, drawing.alternative, *drawing.notes]


def test_no_text_of_a_display_is_a_machine_name_and_no_note_stands_twice(rendered: Shown) -> None:
    results, allocation = read_results(rendered.study)
    for display, texts in words(rendered, results, allocation):
        for text in texts:
            plain = re.sub(r"\S+/\S+", "", text)  # paths of files
            assert not re.search(r"[a-z]_[a-z]|\(s\)|\bone unit\b|\bunit's\b", plain), (display.name, text)
    for model in rendered.models.values():
        cells = {cell for group in model.groups for row in group.rows for cell in row.cells}
        assert not [cell for cell in cells if re.search(r"[a-z]_[a-z]|\b(reml|mmrm|ols)\b", cell)], model.name
        assert len(set(model.notes)) == len(model.notes), model.name
