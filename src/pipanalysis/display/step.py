"""The verb `tables`: every table of displays.yaml as HTML and CSV, from the collected results alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pipanalysis.display.bayes_checks_table import bayes_checks_table
from pipanalysis.display.bayes_effects_table import bayes_effects_table
from pipanalysis.display.change_table import change_table
from pipanalysis.display.describe_tables import baseline_table, outcomes_table
from pipanalysis.display.effects_table import effects_table
from pipanalysis.display.growth_table import growth_table
from pipanalysis.display.harms_table import harms_table
from pipanalysis.display.html_page import html_page
from pipanalysis.display.margins_table import margins_table
from pipanalysis.display.measurement_table import measurement_table
from pipanalysis.display.results_index import ResultsIndex
from pipanalysis.display.risks_table import risks_table
from pipanalysis.display.subgroups_table import subgroups_table
from pipanalysis.display.table_model import TableModel
from pipanalysis.errors import DataError, Problem
from pipanalysis.estimate.analysis_results import checked
from pipanalysis.files import read_parquet, write_csv, write_text

if TYPE_CHECKING:
    import pandas as pd

    from pipanalysis.study.displays import Table
    from pipanalysis.study.load import Study

LAYOUTS: dict[str, Callable[[Study, Table, ResultsIndex, dict[str, Any]], TableModel]] = {
    "baseline": baseline_table,
    "outcomes": outcomes_table,
    "effects": effects_table,
    "subgroups": subgroups_table,
    "harms": harms_table,
    "measurement": measurement_table,
    "change": change_table,
    "risks": risks_table,
    "margins": margins_table,
    "growth": growth_table,
    "bayes_effects": bayes_effects_table,
    "bayes_checks": bayes_checks_table,
}


def tables(study: Study) -> str:
    """Render every table of displays.yaml.

    Returns:
        What was done, in a line.

    Raises:
        DataError: the collected results or the record of the allocation are missing or damaged.
    """
    results = ResultsIndex(checked(read_parquet(study.layout.estimates), study.layout.estimates.name))
    allocation = _allocation(study)
    for table in study.displays.tables:
        model = LAYOUTS[table.kind](study, table, results, allocation)
        write_text(study.layout.table(table.name, "html"), html_page(model))
        write_csv(study.layout.table(table.name, "csv"), csv_frame(model))
    folder = study.layout.table("", "html").parent.relative_to(study.layout.root)
    return f"{len(study.displays.tables)} tables as HTML and CSV ({folder})"


def csv_frame(model: TableModel) -> pd.DataFrame:
    """Return the table's numbers at full precision, each record with the table's marks."""
    import pandas as pd

    frame = pd.DataFrame(model.records)
    if model.marks:
        frame.insert(0, "mark", " ".join(model.marks))
    return frame


def _allocation(study: Study) -> dict[str, Any]:
    path = study.layout.allocation_record
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(Problem(str(path), f"cannot be read: {error}", "the record that `allocate` writes")) from None
    return record
