"""The list of data queries: every problem found in the raw data, in one pass."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipanalysis.intake.rules import RULES

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = [
    "query_id",
    "severity",
    "rule",
    "file",
    "row",
    "unit",
    "visit",
    "variable",
    "found",
    "allowed",
    "action",
]


@dataclass
class Queries:
    """Collects data queries."""

    rows: list[dict[str, object]] = field(default_factory=list)

    def add(
        self,
        rule: str,
        file: str,
        row: int | None,
        *,
        unit: object = "",
        visit: str = "",
        variable: str = "",
        found: str = "",
        allowed: str = "",
    ) -> None:
        """Add one query; `row` is the row as a reader of the file sees it (None for the file as a whole)."""
        known = RULES[rule]
        name = unit if isinstance(unit, str) else ""
        key = "\x1f".join([rule, file, name, visit, variable, found])
        self.rows.append(
            {
                "query_id": hashlib.sha256(key.encode()).hexdigest()[:12],
                "severity": known.severity,
                "rule": rule,
                "file": file,
                "row": row,
                "unit": name,
                "visit": visit,
                "variable": variable,
                "found": found,
                "allowed": allowed,
                "action": known.action,
            }
        )

    def frame(self) -> pd.DataFrame:
        """Return the queries, by file, row, variable and rule; equal ids (rows alike) are numbered apart."""
        import pandas as pd

        table = pd.DataFrame(self.rows, columns=COLUMNS)
        table["row"] = table["row"].astype("Int64")
        table = table.sort_values(["file", "row", "visit", "variable", "rule"], kind="stable", ignore_index=True)
        again = table.groupby("query_id").cumcount()
        table["query_id"] = table["query_id"].where(again == 0, table["query_id"] + "-" + (again + 1).astype(str))
        return table

    def counts(self) -> dict[str, int]:
        """Return the number of queries by rule, in the order of the rules."""
        found = [str(row["rule"]) for row in self.rows]
        return {rule: found.count(rule) for rule in RULES if rule in found}
