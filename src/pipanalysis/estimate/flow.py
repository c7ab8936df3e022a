"""Counts of the flow of participants (CONSORT 2025), of deviations from the protocol, and of recruitment."""

from __future__ import annotations

from collections.abc import Iterator
from math import nan
from typing import TYPE_CHECKING, Any

import pandas as pd

from pipanalysis.derive.intercurrent import after_column, events_not_read
from pipanalysis.errors import DataError, Problem
from pipanalysis.estimate.analysis_results import Row, Scope
from pipanalysis.estimate.safety import not_read
from pipanalysis.files import read_parquet, read_record
from pipanalysis.study.event_tables import event_file, event_path

if TYPE_CHECKING:
    from pathlib import Path

    from pipanalysis.study.load import Study
    from pipanalysis.study.plan import Analysis, ScreeningLog

EVERYONE = "participants"
"""the outcome of rows that count units whatever was measured on them"""
ASSESSED = ("in_window", "out_of_window", "undated")
LOST = ("withdrawn", "not_done")


def flow_rows(study: Study, analysis: Analysis) -> Iterator[Row]:
    """Yield the rows of an analysis of method flow, protocol_deviations or recruitment.

    Raises:
        DataError: an input is missing or damaged.
    """
    participants = read_parquet(study.layout.analysis_participants)
    if analysis.method == "flow":
        assessments = read_parquet(study.layout.assessments)
        scope = Scope(analysis, EVERYONE, "", study.plan.conf_level, "flow")
        if analysis.screening:
            path = event_path(study, analysis.screening.table)
            if path is not None:
                yield from screening_rows(study, scope, analysis.screening, read_parquet(path))
        yield from allocation_rows(study, scope, participants)
        yield from treated_rows(study, scope, participants)
        yield from follow_up_rows(study, scope, participants, assessments)
        yield from set_rows(study, scope, participants)
    elif analysis.method == "protocol_deviations":
        assessments = read_parquet(study.layout.assessments)
        scope = Scope(analysis, EVERYONE, "", study.plan.conf_level, "protocol_deviations")
        yield from window_rows(study, scope, participants, assessments)
        yield from event_rows(study, scope, participants)
        yield from exclusion_rows(scope, read_counts(study.layout.derive_counts))
        yield from intake_rows(scope, read_record(study.layout.intake_record))
    else:
        scope = Scope(analysis, EVERYONE, "", study.plan.conf_level, "recruitment")
        yield from recruitment_rows(study, scope, participants)


def screening_rows(study: Study, scope: Scope, log: ScreeningLog, screened: pd.DataFrame) -> Iterator[Row]:
    """Yield the units screened, excluded: not eligible (with reasons), not consented (with reasons) and consented.

    Args:
        study: the configuration.
        scope: the analysis.
        log: which variables of the screening log say what.
        screened: a row per unit screened. One not known to be eligible counts as not eligible, one not known to have
            consented as not consented, and both without a reason.
    """
    eligible = screened[log.eligible].astype("str").isin(["1", "1.0"])
    consented = eligible & screened[log.consented].astype("str").isin(["1", "1.0"])
    yield _stage(scope, "screened", len(screened))
    for stage, out, reason in (
        ("not_eligible", ~eligible, log.ineligible_reason),
        ("not_consented", eligible & ~consented, log.declined_reason),
    ):
        yield _stage(scope, stage, int(out.sum()))
        if reason:
            yield from _reasons(scope, stage, screened.loc[out, reason], _labels(study, log.table, reason))
    yield _stage(scope, "excluded", int((~consented).sum()))
    yield _stage(scope, "consented", int(consented.sum()))


def _stage(scope: Scope, stage: str, count: float, **where: str) -> Row:
    return scope.row("n_stage", count, context=f"stage={stage}", **where)


def _labels(study: Study, table: str, name: str) -> dict[str, str]:
    """Return code → label of a category variable of an event table or of the study."""
    file = event_file(study, table)
    own = {v.name: v for v in file.events.variables} if file is not None and file.events else {}
    return (own.get(name) or study.variables[name]).levels


def _reasons(scope: Scope, stage: str, codes: pd.Series, labels: dict[str, str], **where: str) -> Iterator[Row]:
    """Yield how many units have each reason, in the order of the configuration, those without one last."""
    given = codes.astype(object).where(codes.notna(), None).map(lambda code: labels.get(str(code)))
    counts = {label: int((given == label).sum()) for label in dict.fromkeys(labels.values())}
    counts["Reason not recorded"] = len(codes) - sum(counts.values())
    for label, count in counts.items():
        if count or label in labels.values():
            yield scope.row("n_stage", count, context=f"stage={stage}; reason={label}", **where)


def allocation_rows(study: Study, scope: Scope, participants: pd.DataFrame) -> Iterator[Row]:
    """Yield the units randomised, and those allocated to each arm."""
    yield _stage(scope, "randomised", len(participants))
    for arm in study.arms:
        yield _stage(scope, "allocated", int((participants["arm"] == arm).sum()), arm=arm)


def treated_rows(study: Study, scope: Scope, participants: pd.DataFrame) -> Iterator[Row]:
    """Yield how many units of the arm that is offered sessions attended one at least; no number while masked."""
    sessions = study.config.sessions
    if sessions is None:
        return
    path = event_path(study, sessions.table)
    if path is None:
        said = not_read("sessions")
        yield scope.row("n_stage", nan, arm=sessions.arm, context="stage=treated", warning=said)
        return
    table = read_parquet(path, ["unit", sessions.attended])
    attended = set(table.loc[table[sessions.attended].astype("str").isin(["1", "1.0"]), "unit"])
    offered = participants.loc[(participants["arm"] == sessions.arm).to_numpy(), "unit"]
    treated = sum(unit in attended for unit in offered)
    yield _stage(scope, "treated", treated, arm=sessions.arm)
    yield _stage(scope, "not_treated", len(offered) - treated, arm=sessions.arm)


def follow_up_rows(study: Study, scope: Scope, participants: pd.DataFrame, assessments: pd.DataFrame) -> Iterator[Row]:
    """Yield by arm and visit the units assessed and not assessed: withdrawn by then (with reasons) or otherwise."""
    reason = study.variable_with_role("withdrawal_reason")
    joined = assessments.merge(participants[["unit", "arm"]], on="unit", how="inner")
    why = participants.set_index("unit")[reason.name] if reason else None
    for visit in study.visits:
        for arm in study.arms:
            own = joined[(joined["visit"] == visit) & (joined["arm"] == arm)]
            where = {"visit": visit, "arm": arm}
            yield _stage(scope, "assessed", int(own["state"].isin(ASSESSED).sum()), **where)
            yield _stage(scope, "not_assessed", int(own["state"].isin(LOST).sum()), **where)
            yield _stage(scope, "withdrawn", int((own["state"] == "withdrawn").sum()), **where)
            if why is not None and reason is not None:
                codes = own.loc[own["state"] == "withdrawn", "unit"].map(why)
                yield from _reasons(scope, "withdrawn", codes, reason.levels, **where)
            yield _stage(scope, "missed", int((own["state"] == "not_done").sum()), **where)


def set_rows(study: Study, scope: Scope, participants: pd.DataFrame) -> Iterator[Row]:
    """Yield by arm the units in each analysis set, and those allocated that are not."""
    for chosen in study.plan.analysis_sets:
        inside = participants[f"in_{chosen.name}"].fillna(False).astype(bool)
        for arm in study.arms:
            own = participants["arm"] == arm
            yield _stage(scope, f"in_set; set={chosen.name}", int((own & inside).sum()), arm=arm)
            yield _stage(scope, f"not_in_set; set={chosen.name}", int((own & ~inside).sum()), arm=arm)


def window_rows(study: Study, scope: Scope, participants: pd.DataFrame, assessments: pd.DataFrame) -> Iterator[Row]:
    """Yield by arm and visit the units whose assessment was out of its window, undated, or did not take place."""
    joined = assessments.merge(participants[["unit", "arm"]], on="unit", how="inner")
    for visit in study.visits:
        for arm in study.arms:
            state = joined.loc[(joined["visit"] == visit) & (joined["arm"] == arm), "state"]
            for name in ("out_of_window", "undated", "withdrawn", "not_done"):
                count = int((state == name).sum())
                yield scope.row("n_affected", count, visit=visit, arm=arm, context=f"deviation={name}")


def event_rows(study: Study, scope: Scope, participants: pd.DataFrame) -> Iterator[Row]:
    """Yield by arm and visit after baseline the units with each intercurrent event, of those with a date, before it."""
    unread = {event.name for event in events_not_read(study)}
    visits = list(study.visits)
    for event in study.plan.intercurrent_events:
        if event.when is None:
            continue
        first = participants[after_column(event.name)].map({visit: i for i, visit in enumerate(visits)})
        for i, visit in enumerate(study.visits.values()):
            if visit.baseline:
                continue
            for arm in study.arms:
                where = {"visit": visit.name, "arm": arm, "context": f"event={event.name}"}
                if event.name in unread:
                    said = f"{event.label}: not read while the allocation is masked, since it may reveal the arm"
                    yield scope.row("n_affected", nan, **where, warning=said)
                else:
                    count = int(((first <= i) & (participants["arm"] == arm)).sum())
                    yield scope.row("n_affected", count, **where)


def exclusion_rows(scope: Scope, counts: pd.DataFrame) -> Iterator[Row]:
    """Yield the units that each step of each analysis set leaves out, all arms together.

    Conditions on sessions are not among them: they are known only with the allocation.
    """
    for chosen, step, condition, n_excluded in counts[["analysis_set", "step", "condition", "n_excluded"]].itertuples(
        index=False
    ):
        context = f"excluded={chosen}; step={int(step):02d}; {condition}"
        yield scope.row("n_affected", int(n_excluded), context=context)


def intake_rows(scope: Scope, record: dict[str, Any]) -> Iterator[Row]:
    """Yield the rows of the raw files that were read and set aside, and the data queries by rule."""
    for file in record["files"]:
        yield scope.row("n_rows", file["rows_read"], context=f"file={file['file']}; read")
        for why, count in file["rows_set_aside"].items():
            yield scope.row("n_rows", count, context=f"file={file['file']}; set aside={why}")
    for rule, count in record["queries_by_rule"].items():
        yield scope.row("n_queries", count, context=f"rule={rule}")


def recruitment_rows(study: Study, scope: Scope, participants: pd.DataFrame) -> Iterator[Row]:
    """Yield the units randomised by the end of each month, and the target where the study has one.

    The target rises from no unit at its start to all of them at its end, in proportion to the days gone.
    """
    randomised = study.variable_with_role("randomisation_date")
    if randomised is None:
        return
    dates = pd.to_datetime(participants[randomised.name]).dropna()
    if not len(dates):
        return
    target = study.config.recruitment
    begun, ended = dates.min(), dates.max()
    if target:
        begun, ended = min(begun, pd.Timestamp(target.start)), max(ended, pd.Timestamp(target.end))
    for month in pd.period_range(begun, ended, freq="M"):
        context = f"month={month}"
        if month.start_time <= dates.max():
            yield scope.row("n_cumulative", int((dates <= month.end_time).sum()), context=context)
        if target:
            days = (pd.Timestamp(target.end) - pd.Timestamp(target.start)).days + 1
            gone = (month.end_time.normalize() - pd.Timestamp(target.start)).days + 1
            yield scope.row("n_target", target.units * min(max(gone / days, 0.0), 1.0), context=context)


def read_counts(path: Path) -> pd.DataFrame:
    """Read the counts of the analysis sets that `derive` wrote.

    Raises:
        DataError: the file is missing or damaged.
    """
    try:
        return pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise DataError(Problem(str(path), f"cannot be read: {error}", "the counts that `derive` writes")) from None
