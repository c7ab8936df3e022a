"""A raw file before it is written: a table of text cells in the columns and order that study.yaml declares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pipanalysis.simulate.write import as_text

if TYPE_CHECKING:
    from pipanalysis.study.instrument import Instrument
    from pipanalysis.study.load import Study
    from pipanalysis.study.study import RawFile, Variable


@dataclass
class Sheet:
    """One raw file's cells.

    Attributes:
        file: its configuration.
        format: csv, xlsx or sav.
        cells: text by column.
        kinds: column → number, code, date or text.
        names: column → variable or item.
        labels: column → code → label.
        limits: column → least and greatest allowed number.
        steps: column → distance between allowed numbers (1 for whole numbers).
        required: columns that may not be blank.
        missing: column → what stands for a missing value.
        visits: (n,) visit of each row ("" where there is none).
    """

    file: RawFile
    format: str
    cells: pd.DataFrame
    kinds: dict[str, str]
    names: dict[str, str]
    labels: dict[str, dict[str, str]]
    limits: dict[str, tuple[float, float]]
    steps: dict[str, float]
    required: set[str]
    missing: dict[str, list[str]]
    visits: np.ndarray

    @property
    def first_row(self) -> int:
        """The number of the first row of data, as a reader of the file counts."""
        return 1 if self.format == "sav" else 2


def sheet(study: Study, file: RawFile, values: pd.DataFrame) -> Sheet:
    """Lay out a raw file.

    Args:
        study: the configuration.
        file: the file's configuration.
        values: `unit`, `visit` (where a row has one) and the variables and items by their own names.
    """
    kind_of_file = file.format or file.path.rpartition(".")[2].lower()
    shown = file.date_format if file.date_format and kind_of_file == "csv" else "%Y-%m-%d"
    made = Sheet(file, kind_of_file, pd.DataFrame(), {}, {}, {}, {}, {}, set(), {}, _visits(file, values))
    cells: dict[str, np.ndarray] = {file.key: as_text(values["unit"], "text", shown)}
    if file.visit_column:
        code = {visit: code for code, visit in reversed(file.visit_codes.items())}
        cells[file.visit_column] = np.array([code.get(visit, visit) for visit in values["visit"]], dtype=object)
    own = {v.name: v for v in file.events.variables} if file.events else {}
    for column in file.columns:
        variable = own.get(column.variable) or study.variables[column.variable]
        source = column.column or column.variable
        _describe_variable(study, made, source, variable)
        made.missing[source] = file.codes_of(column)
        plain = "text" if made.kinds[source] == "code" else made.kinds[source]
        cells[source] = as_text(_codes(study, file, variable, values), plain, shown)
    for given in file.instruments:
        instrument = study.instruments[given.instrument]
        for item in instrument.item_names():
            source = given.columns.format(item=item) if "{item" in given.columns else given.columns
            _describe_item(made, source, instrument, item)
            made.missing[source] = file.codes_of(given)
            plain = "text" if made.kinds[source] == "code" else "number"
            cells[source] = as_text(values[instrument.item_variable(item)], plain, shown)
    made.cells = pd.DataFrame(cells)
    return made


def _visits(file: RawFile, values: pd.DataFrame) -> np.ndarray:
    if file.visit_column:
        return values["visit"].to_numpy(dtype=object)
    return np.full(len(values), file.visit or "", dtype=object)


def _codes(study: Study, file: RawFile, variable: Variable, values: pd.DataFrame) -> pd.Series:
    """Return a variable's values with a site as the first code that study.yaml gives it."""
    if variable.role != "site":
        return values[variable.name]
    code = {site.name: site.codes[0] if site.codes else site.name for site in study.config.sites}
    return values[variable.name].map(code)


def _describe_variable(study: Study, made: Sheet, source: str, variable: Variable) -> None:
    kinds = {"category": "code", "date_of_birth": "date", "integer": "number"}
    made.kinds[source] = kinds.get(variable.type, variable.type)
    made.names[source] = variable.name
    made.labels[source] = variable.levels or (
        {code: site.label for site in study.config.sites for code in site.codes} if variable.role == "site" else {}
    )
    if variable.range:
        made.limits[source] = (variable.range.min, variable.range.max)
    if variable.type == "integer":
        made.steps[source] = 1.0
    if variable.required:
        made.required.add(source)


def _describe_item(made: Sheet, source: str, instrument: Instrument, item: int | str) -> None:
    category = instrument.items.type == "category"
    made.kinds[source] = "code" if category else "number"
    made.names[source] = instrument.item_variable(item)
    made.labels[source] = instrument.items.levels
    limits = instrument.item_range(item)
    if limits:
        made.limits[source] = (limits.min, limits.max)
    if instrument.items.type == "integer":
        made.steps[source] = 1.0
    elif instrument.items.step:
        made.steps[source] = instrument.items.step
