"""A figure as SVG, PDF and PNG, with its numbers and its alternative text; the same bytes each time."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from pipanalysis.display.figure_model import EMPTY_FIGURE, FigureModel
from pipanalysis.display.wording import mark_line
from pipanalysis.files import write_bytes, write_csv, write_text

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from pipanalysis.study.layout import Layout

COLOURS = ("#404040", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00")
"""of arms and analyses in turn; told apart by colour-blind readers (Okabe and Ito) and, with the markers, in grey"""
MARKERS = ("o", "s", "^", "D", "v", "P")
PLACES = 6
"""decimals of a place in a figure: far below a pixel"""
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)))
STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.titlesize": 8.5,
    "axes.labelsize": 8,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "axes.unicode_minus": True,
    # No power of ten above an axis, which titles would have to make room for: where they stand is then known, and is
    # not worked out again at each pass of the layout and for each format.
    "axes.titley": 1.0,
    "axes.formatter.useoffset": False,
    "axes.formatter.limits": (-12, 15),
    "text.parse_math": False,
    "lines.linewidth": 1.2,
    "svg.hashsalt": "pipanalysis",
    "svg.fonttype": "path",
    "pdf.fonttype": 42,
    # Matplotlib splits fonts of PDF by this one, and minus signs and dashes would be fonts of their own.
    "ps.fonttype": 42,
    # Hinted text is not as wide in all formats, and labels would be cut off.
    "text.hinting": "none",
    "figure.dpi": 200,
    "figure.constrained_layout.w_pad": 0.08,
    "figure.constrained_layout.h_pad": 0.06,
}
SETTING_TYPE = ("GDEF", "GPOS", "GSUB")
"""tables of a font that place and join its glyphs"""
MARK_HEIGHT = 0.2
"""of a line of the marks, in inches"""
LETTERS_PER_INCH = 13.5
"""of the marks' font, about"""


def write_figure(layout: Layout, model: FigureModel, files: dict[str, bytes]) -> None:
    """Write a figure's files by format, and always its numbers (CSV) and alternative text beside them."""
    for name, content in files.items():
        write_bytes(layout.figure(model.name, name), content)
    write_csv(layout.figure(model.name, "csv"), figure_frame(model))
    lines = [*model.marks, model.numbered_title, model.alternative, *model.notes]
    write_text(layout.figure(model.name, "txt"), "\n".join(lines) + "\n")


def figure_frame(model: FigureModel) -> pd.DataFrame:
    """Return the figure's numbers at full precision, each record with the figure's marks."""
    import pandas as pd

    frame = pd.DataFrame(model.records)
    if model.marks:
        frame.insert(0, "mark", mark_line(model.marks))
    return frame


def rendered(model: FigureModel, formats: list[str]) -> dict[str, bytes]:
    """Return the bytes of a figure in each format: fonts embedded, no dates, the marks at its top."""
    import matplotlib as mpl

    with mpl.rc_context(STYLE):
        figure = drawn(model)
        return {name: _saved(figure, model, name) for name in formats}


def drawn(model: FigureModel) -> Figure:
    """Return a figure that is put together and laid out, in the style that is set."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.transforms import Bbox

    width, height = model.size
    said = [line for mark in model.marks for line in textwrap.wrap(mark, int(width * LETTERS_PER_INCH))]
    above = MARK_HEIGHT * len(said) + 0.08 if said else 0.0
    figure = Figure(figsize=(width, height + above), layout="constrained")
    FigureCanvasAgg(figure)  # one renderer for all passes of the layout, which keeps the sizes of texts
    if said:
        parts: Any = figure.subfigures(2, 1, height_ratios=[above, height])
        top, body = parts
        top.text(0.5, 0.5, "\n".join(said), ha="center", va="center", fontweight="bold", color="#6b4a00")
    else:
        body = figure.subfigures()
    if model.draw is None:
        body.text(0.5, 0.5, EMPTY_FIGURE, ha="center", va="center")
    else:
        model.draw(body)
    for axes in figure.get_axes():
        for axis in (axes.xaxis, axes.yaxis):
            if not axis.get_label_text():
                axis.set_label_coords(0.5, 0.0)  # or a place beside the ticks is sought for a label that is not there
    # The layout is worked out once, not again for each format; labels that decide it settle at the second pass.
    layout = figure.get_layout_engine()
    assert layout is not None
    layout.execute(figure)
    layout.execute(figure)
    figure.set_layout_engine("none")
    # The layout's equations are solved in an order that differs from run to run, and so does the last digit of places.
    for axes in figure.get_axes():
        axes.set_position(Bbox(axes.get_position(original=True).get_points().round(PLACES)))
    _settle(figure)
    return figure


def _settle(part: Any) -> None:
    """Round where the parts of a figure and their texts stand, in shares of it."""
    for text in part.texts:
        x, y = text.get_position()
        text.set_position((round(x, PLACES), round(y, PLACES)))
    for below in part.subfigs:
        box = below.bbox_relative
        box.set_points(box.get_points().round(PLACES))
        _settle(below)


def _saved(figure: Figure, model: FigureModel, name: str) -> bytes:
    """Return a figure in a format, printed by the format's own canvas.

    `savefig` would first draw all of it to no end, for a layout that is settled by then.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_pdf import FigureCanvasPdf
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    figure.dpi = STYLE["figure.dpi"]  # which the canvases of vectors change
    canvases: dict[str, Any] = {"svg": FigureCanvasSVG, "pdf": FigureCanvasPdf, "png": FigureCanvasAgg}
    canvas = canvases[name](figure)
    buffer = io.BytesIO()
    match name:
        case "svg":
            canvas.print_svg(buffer, metadata={"Date": None})
            return _described(buffer.getvalue().decode(), model).encode()
        case "pdf":
            with _fonts_without_typesetting():
                canvas.print_pdf(buffer, metadata={"CreationDate": None, "Title": model.numbered_title})
        case "png":
            canvas.print_png(buffer, pil_kwargs={"compress_level": 3})  # as small as by the default, sooner
    return buffer.getvalue()


@contextmanager
def _fonts_without_typesetting() -> Iterator[None]:
    """Embed fonts without the tables for setting type, which take longest to cut down.

    Readers of a PDF use none of them (ISO 32000-1, section 9.9, lists the tables of a TrueType font program).
    """
    from fontTools import subset  # type: ignore[import-untyped]

    load = subset.load_font

    def without(*arguments: Any, **options: Any) -> Any:
        font = load(*arguments, **options)
        for table in SETTING_TYPE:
            if table in font:
                del font[table]
        return font

    subset.load_font = without
    try:
        yield
    finally:
        subset.load_font = load


def _described(svg: str, model: FigureModel) -> str:
    """Return an SVG with title and alternative text, as readers aloud look for them."""
    start = svg.index("<svg")
    end = svg.index(">", start)
    root = svg[start:end] + f' role="img" aria-labelledby="title-{model.name} desc-{model.name}">'
    about = (
        f'\n <title id="title-{model.name}">{escape(model.numbered_title)}</title>'
        f'\n <desc id="desc-{model.name}">{escape(model.alternative)}</desc>'
    )
    return svg[:start] + root + about + svg[end + 1 :]
