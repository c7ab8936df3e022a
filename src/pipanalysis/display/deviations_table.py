"""What each analysis is by the plan's lock: prespecified, changed, post hoc or dropped, what differs, and why."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from pipanalysis.display.table_model import Column, RowGroup, TableModel, TableRow
from pipanalysis.display.wording import marks
from pipanalysis.study.plan_lock import listed

if TYPE_CHECKING:
    from pipanalysis.display.results_index import ResultsIndex
    from pipanalysis.study.displays import Table
    from pipanalysis.study.load import Study

STATUSES = {
    "prespecified": "Prespecified",
    "changed": "Changed",
    "post_hoc": "Post hoc",
    "dropped": "Left out",
}


def deviations_table(study: Study, table: Table, _results: ResultsIndex, allocation: dict[str, Any]) -> TableModel:
    """Lay out a row per analysis of the plan and of its lock."""
    model = TableModel(table.name, table.number, table.title, marks(study, allocation), [lock_line(study)], [])
    if study.lock is None:
        model.lead = [f"{lock_line(study)} The status is the plan's own word."]
    model.columns = [Column(label, numbers=False) for label in ("Status", "What differs from the lock", "Reason")]
    locked = study.lock.content["config"]["analysis.yaml"]["analyses"] if study.lock else []
    labels = {str(analysis["name"]): str(analysis["label"]) for analysis in locked}
    labels |= {analysis.name: analysis.label for analysis in study.plan.analyses}
    roles = {str(analysis["name"]): str(analysis["role"]) for analysis in locked}
    roles |= {analysis.name: analysis.role for analysis in study.plan.analyses}
    alike = Counter(labels.values())
    reasons = {deviation.analysis: deviation.reason for deviation in study.plan.deviations}
    group = RowGroup("")
    for name, found in study.statuses.items():
        changes, reason = listed(found.differences), reasons.get(name, "")
        owed = "no reason given" if study.lock is not None and found.status != "prespecified" else ""
        label = labels[name] + (f" ({roles[name]})" if alike[labels[name]] > 1 else "")
        group.rows.append(TableRow(label, (STATUSES[found.status], changes, reason or owed)))
        record = {"analysis": name, "label": label, "status": found.status, "differences": changes, "reason": reason}
        model.records.append(record)
    model.groups.append(group)
    if study.lock is None and not model.empty:
        model.drop_columns_without_values()
    model.notes = [
        "An analysis is compared with the lock in all that its results rest on: its method and options, outcomes, "
        "analysis set, estimand, families of hypotheses, arms, visits, strata, variables and instruments. Labels and "
        "sources do not count. What changed in the program since is in manifest.json.",
        *table.footnotes,
    ]
    return model


def lock_line(study: Study) -> str:
    """Return which lock of the plan the analyses are held against."""
    if study.lock is not None:
        earlier = len(study.lock.content.get("earlier", []))
        before = f", after {earlier} earlier lock{'s' if earlier > 1 else ''}" if earlier else ""
        return f"Plan locked: version {study.lock.version} of {study.lock.date}{before}; sha256 {study.lock.sha256}."
    why = study.config.study.without_lock or (
        "synthetic data need no lock" if study.config.study.data in ("synthetic", "twin") else "none has been made yet"
    )
    return f"The plan is not locked ({why})."
