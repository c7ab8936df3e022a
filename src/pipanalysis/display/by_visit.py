"""What tables of comparisons have in common: analyses side by side, by domain, outcome and visit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipanalysis.display.table_model import RowGroup, TableModel, TableRow
from pipanalysis.display.wording import analysis, estimand_line, outcome_label
from pipanalysis.study.contrasts import contrast_name

if TYPE_CHECKING:
    from pipanalysis.display.results_index import ResultsIndex
    from pipanalysis.study.displays import Table
    from pipanalysis.study.load import Study
    from pipanalysis.study.plan import Outcome


@dataclass(frozen=True)
class Comparison:
    """An arm against the reference arm, on an outcome at a visit by an analysis, and the table that its row is for.

    Attributes:
        study: the configuration.
        results: the collected results.
        model: the table.
        outcome: of the plan.
        visit: its name.
        analysis: its name.
        arm: the arm compared.
        label: of the row.
    """

    study: Study
    results: ResultsIndex
    model: TableModel
    outcome: Outcome
    visit: str
    analysis: str
    arm: str
    label: str

    @property
    def contrast(self) -> str:
        """The difference as the results name it."""
        return contrast_name(self.arm, self.study.reference_arm.name)

    @property
    def place(self) -> dict[str, Any]:
        """The part of a record that says what its numbers belong to."""
        return {
            "domain": self.outcome.domain,
            "outcome": self.outcome.name,
            "label": self.outcome.label,
            "visit": self.visit,
            "analysis": self.analysis,
            "contrast": self.contrast,
        }

    def row(self, name: str, context: str = "") -> Any:
        """Return the row of a statistic of the difference, None where there is none."""
        where = {"visit": self.visit, "contrast": self.contrast, "context": context}
        return self.results.row(self.analysis, self.outcome.name, name, **where)

    def stats(self, names: tuple[str, ...], context: str = "") -> dict[str, float]:
        """Return statistics of the difference by name, NaN where there is none."""
        where = {"visit": self.visit, "contrast": self.contrast, "context": context}
        return self.results.stats(self.analysis, self.outcome.name, names, **where)

    def of_arm(self, arm: str, name: str, context: str = "") -> float:
        """Return a statistic of an arm at the visit, NaN where there is none."""
        where = {"visit": self.visit, "arm": arm, "context": context}
        return self.results.stat(self.analysis, self.outcome.name, name, **where)

    @property
    def fit_status(self) -> Any:
        """The row that says how the fit ended, None where there is none."""
        return self.results.of_fit(self.analysis, self.outcome.name, self.visit, "fit_status")


type MakeRow = Callable[[Comparison], TableRow | list[TableRow] | None]
"""a comparison → its row or rows, None where it is not planned"""


def fill(study: Study, table: Table, results: ResultsIndex, model: TableModel, make_row: MakeRow) -> list[str]:
    """Fill a table with a row per outcome, visit, analysis and arm compared, with its estimands, and what is absent.

    Returns:
        The analyses that are shown, in the table's order.
    """
    absent = []
    shown: set[str] = set()
    for domain in study.plan.domains:
        group = RowGroup(domain.label)
        for outcome in study.plan.outcomes:
            if outcome.domain != domain.name or not (table.outcomes == "all" or outcome.name in table.outcomes):
                continue
            present = [name for name in table.analyses if results.visits(name, outcome.name)]
            if not present:
                absent.append(outcome.label)
                continue
            shown.update(present)
            group.rows += _outcome_rows(study, table, results, model, outcome, present, make_row)
        model.groups.append(group)
    chosen = [analysis(study, name) for name in table.analyses if name in shown]
    used = {a.estimand for a in chosen}
    model.lead = [estimand_line(study.plan, estimand) for estimand in study.plan.estimands if estimand.name in used]
    if absent:
        model.notes.append(f"No effect is estimated here for: {', '.join(absent)}.")
    return [a.name for a in chosen]


def _outcome_rows(
    study: Study,
    table: Table,
    results: ResultsIndex,
    model: TableModel,
    outcome: Outcome,
    present: list[str],
    make_row: MakeRow,
) -> list[TableRow]:
    rows = [TableRow(outcome_label(study, outcome))]
    for visit in study.visits:
        if not (table.visits == "all" or visit in table.visits):
            continue
        for name in present:
            for arm in list(study.arms)[1:]:
                label = study.visits[visit].label
                if len(present) > 1:
                    label += f": {analysis(study, name).label}"
                if len(study.arms) > 2:
                    label += f", {study.arms[arm].label}"
                row = make_row(Comparison(study, results, model, outcome, visit, name, arm, label))
                if row is not None:
                    rows += [row] if isinstance(row, TableRow) else row
    return rows
