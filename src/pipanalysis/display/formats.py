"""Every format of a table, from one model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING

from pipanalysis.display.docx_document import docx_document
from pipanalysis.display.html_page import great_table, html_page
from pipanalysis.display.latex_document import latex_document
from pipanalysis.files import write_bytes, write_csv
from pipanalysis.study.displays import TABLE_ENDINGS

if TYPE_CHECKING:
    import pandas as pd

    from pipanalysis.display.render_cache import RenderCache
    from pipanalysis.display.table_model import TableModel
    from pipanalysis.study.layout import Layout


def _rtf(model: TableModel) -> bytes:
    from pipanalysis.display.rtf_document import rtf_document  # half a second of imports

    return rtf_document(model).encode("ascii")


DOCUMENTS: dict[str, Callable[[TableModel], bytes]] = {
    "html": lambda model: html_page(model, table_html(model)).encode(),
    "docx": docx_document,
    "rtf": _rtf,
    "latex": lambda model: latex_document(model).encode(),
}


def write_table(layout: Layout, model: TableModel, formats: list[str], cache: RenderCache) -> None:
    """Write a table in each format asked for, and always its numbers as CSV beside them."""
    content = asdict(model)
    for name in formats:
        path = layout.table(model.name, TABLE_ENDINGS[name])
        if name == "html":
            write_bytes(path, html_page(model, table_html(model, cache)).encode())
            continue
        made = cache.files(f"table-{model.name}", content, [name], lambda asked: {asked[0]: DOCUMENTS[asked[0]](model)})
        write_bytes(path, made[name])
    write_csv(layout.table(model.name, "csv"), csv_frame(model))


def table_html(model: TableModel, cache: RenderCache | None = None) -> str:
    """Return the table proper as HTML, without title and notes; nothing for an empty table."""
    if model.empty:
        return ""
    if cache is None:
        return great_table(model)
    content = [model.name, asdict(model)["columns"], asdict(model)["groups"]]
    made = cache.files(f"table-{model.name}", content, ["html"], lambda _: {"html": great_table(model).encode()})
    return made["html"].decode()


def csv_frame(model: TableModel) -> pd.DataFrame:
    """Return the table's numbers at full precision, each record with the table's marks."""
    import pandas as pd

    frame = pd.DataFrame(model.records)
    if model.marks:
        frame.insert(0, "mark", " ".join(model.marks))
    return frame
