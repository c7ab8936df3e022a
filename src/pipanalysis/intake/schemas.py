"""The final gate: pandera schemas of the checked tables, built from the configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from pipanalysis.errors import DataError, Problem

if TYPE_CHECKING:
    from pipanalysis.study.load import Study


def check_tables(study: Study, participants: pd.DataFrame, visits: pd.DataFrame) -> None:
    """Check that the tables are what later steps are promised.

    Raises:
        DataError: naming each column and value that breaks the schema.
    """
    import pandera.errors
    import pandera.pandas as pa

    problems = []
    for name, frame, schema in (
        ("participants", participants, _participants(study, pa)),
        ("visits", visits, _visits(study, visits, pa)),
    ):
        try:
            schema.validate(frame, lazy=True)
        except pandera.errors.SchemaErrors as error:
            problems += [
                Problem(f"checked {name}, {case.column}", f"{case.failure_case}", str(case.check))
                for case in error.failure_cases.head(20).itertuples()
            ]
    if problems:
        raise DataError(problems)


def _participants(study: Study, pa: Any) -> Any:
    columns = {"unit": pa.Column("str", unique=True, nullable=False)}
    for variable in study.config.variables:
        if variable.level != "participant" or variable.closed or variable.type == "date_of_birth":
            continue
        if variable.type in ("number", "integer"):
            limits = variable.range
            checks = pa.Check.in_range(limits.min, limits.max) if limits else None
            columns[variable.name] = pa.Column("float64", checks, nullable=True)
        elif variable.type == "category":
            allowed = [s.name for s in study.config.sites] if variable.role == "site" else list(variable.levels)
            columns[variable.name] = pa.Column("str", pa.Check.isin(allowed) if allowed else None, nullable=True)
    return pa.DataFrameSchema(columns, strict=False)


def _visits(study: Study, visits: pd.DataFrame, pa: Any) -> Any:
    columns = {
        "unit": pa.Column("str", nullable=False),
        "visit": pa.Column("str", pa.Check.isin(list(study.visits)), nullable=False),
    }
    for instrument in study.instruments.values():
        for item in instrument.item_names():
            name = instrument.item_variable(item)
            if name not in visits:
                continue
            limits = instrument.item_range(item)
            if limits is None:
                allowed = list(instrument.items.levels)
                columns[name] = pa.Column("str", pa.Check.isin(allowed), nullable=True)
            else:
                columns[name] = pa.Column("float32", pa.Check.in_range(limits.min, limits.max), nullable=True)
    return pa.DataFrameSchema(columns, strict=False, unique=["unit", "visit"])
