"""Adherence, harms and use of services by arm: sessions, events and contacts; with intervals, never tested."""

from __future__ import annotations

from collections.abc import Iterator
from math import nan
from typing import TYPE_CHECKING

import numpy as np

from pipanalysis.errors import PlanError, Problem
from pipanalysis.estimate.analysis_results import Row, Scope
from pipanalysis.estimate.describe import continuous_rows
from pipanalysis.files import read_parquet
from pipanalysis.study.contrasts import contrast_name
from pipanalysis.study.event_tables import analysis_table, event_file, event_path
from pipanalysis.study.terms import counted, mid_sentence

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from pipanalysis.estimate.trial_data import TrialData
    from pipanalysis.study.plan import Analysis, HarmsSource
    from pipanalysis.study.study import Sessions, Variable

ADHERENCE = "adherence clopper-pearson statsmodels"
HARMS = "harms clopper-pearson newcombe statsmodels"
SERVICES = "service_use clopper-pearson newcombe welch statsmodels"
Codes = np.ndarray[tuple[int], np.dtype[np.int64]]


def safety_rows(trial: TrialData, analysis: Analysis) -> Iterator[Row]:
    """Yield the rows of an analysis of adherence, harms or use of services; the only ones that read an event table.

    A closed table is not opened while the allocation is masked: the rows then have no numbers and say so.

    Raises:
        DataError: the event table is missing or damaged.
        PlanError: the plan names no event table for the analysis.
    """
    study = trial.study
    table, sessions, source = analysis_table(study, analysis), study.config.sessions, analysis.events
    if table is None or event_file(study, table) is None:
        where = f"config/analysis.yaml, analysis {analysis.name}"
        raise PlanError(Problem(where, "no event table", "sessions in study.yaml, or events of the analysis"))
    method = {"adherence": ADHERENCE, "harms": HARMS, "service_use": SERVICES}[analysis.method]
    scope = Scope(analysis, table, "", study.plan.conf_level, method)
    path = event_path(study, table)
    if path is None:
        arms = [sessions.arm] if analysis.method == "adherence" and sessions else list(study.arms)
        said = not_read({"adherence": "sessions", "harms": "events", "service_use": "contacts"}[analysis.method])
        yield from (scope.row("n_set", nan, arm=arm, warning=said) for arm in arms)
        return
    events = read_parquet(path)
    if analysis.method == "adherence" and sessions:
        yield from adherence_rows(trial, scope, sessions, events)
    elif source and analysis.method == "harms":
        yield from harms_rows(trial, scope, source, events)
    elif source:
        yield from service_rows(trial, scope, source, events)


def not_read(what: str) -> str:
    """Return why a closed event table gives no numbers."""
    return f"not read while the allocation is masked: the {what} may reveal the arm"


def exact_interval(count: int, n: int, conf_level: float) -> tuple[float, float]:
    """Return the limits of Clopper and Pearson (1934) of a proportion, count of n, n > 0."""
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(count, n, alpha=1 - conf_level, method="beta")
    return float(low), float(high)


def newcombe_interval(count: int, n: int, reference: int, n_reference: int, conf_level: float) -> tuple[float, float]:
    """Return limits of the difference of two proportions, count / n - reference / n_reference; both n > 0.

    Newcombe (1998), Statistics in Medicine 17:873, method 10: the squared distances of each proportion to its Wilson
    limits, without continuity correction, are added.
    """
    from statsmodels.stats.proportion import confint_proportions_2indep

    low, high = confint_proportions_2indep(
        count, n, reference, n_reference, method="newcomb", compare="diff", alpha=1 - conf_level
    )
    return max(-1.0, float(low)), min(1.0, float(high))


def proportion_rows(scope: Scope, count: int, n: int, *, arm: str, context: str, warning: str = "") -> Iterator[Row]:
    """Yield a proportion of the units of an arm with its exact limits; without values, and with why, where n is 0."""
    low, high = exact_interval(count, n, scope.conf_level) if n else (nan, nan)
    error = "" if n else "nobody of the analysis set is in the arm"
    for name, value in (("proportion", count / n if n else nan), ("conf_low", low), ("conf_high", high)):
        yield scope.row(name, value, arm=arm, context=context, warning=warning, error=error)


def harms_rows(trial: TrialData, scope: Scope, source: HarmsSource, events: pd.DataFrame) -> Iterator[Row]:
    """Yield the events by arm: all, those flagged, and those of each category.

    Args:
        trial: participants with arms.
        scope: the analysis; its outcome is the event table's name.
        source: the table's variables.
        events: the event table, a row per event, with `unit` and the variables that the analysis names.

    Each arm has the units affected, their proportion with its limits, the events, and events per unit; each other arm
    its difference of proportions from the reference. What is counted: see `events_by_kind`.
    """
    for context, by_arm, said in events_by_kind(trial, scope, source, events):
        yield from _group_rows(scope, by_arm, context, said)


def service_rows(trial: TrialData, scope: Scope, source: HarmsSource, events: pd.DataFrame) -> Iterator[Row]:
    """Yield the contacts with services by arm: all, those flagged, and those of each category.

    The rows of `harms_rows`, and with the context `per_unit` (and the category) the distribution of the contacts per
    unit and the difference of their means. Counts are skewed and spread more than Poisson's, so its limits are Welch's
    (1947, Biometrika 34:28-35), which need neither a model of the counts nor equal variances.
    """
    for context, by_arm, said in events_by_kind(trial, scope, source, events):
        yield from _group_rows(scope, by_arm, context, said)
        per_unit = f"per_unit {context}".strip()
        for arm, counts in by_arm.items():
            for row in continuous_rows(scope, counts.astype(np.float64), arm=arm):
                yield row | {"context": per_unit, "warning": said}
        reference, *others = by_arm
        for arm in others:
            contrast = contrast_name(arm, reference)
            found, error = welch(by_arm[arm], by_arm[reference], scope.conf_level)
            for name, value in zip(("estimate", "conf_low", "conf_high"), found, strict=True):
                yield scope.row(name, value, contrast=contrast, context=per_unit, warning=said, error=error)


def welch(counts: Codes, reference: Codes, conf_level: float) -> tuple[tuple[float, float, float], str]:
    """Return the difference of two means with Welch's limits, and why there are none."""
    from scipy.stats import ttest_ind

    if min(len(counts), len(reference)) < 2:
        return (nan, nan, nan), "an arm has fewer than 2 in the analysis set"
    difference = float(counts.mean() - reference.mean())
    if np.ptp(counts) == 0 and np.ptp(reference) == 0:
        return (difference, nan, nan), "the number is the same within each arm"
    limits = ttest_ind(counts, reference, equal_var=False).confidence_interval(conf_level)
    return (difference, float(limits.low), float(limits.high)), ""


def events_by_kind(
    trial: TrialData, scope: Scope, source: HarmsSource, events: pd.DataFrame
) -> Iterator[tuple[str, dict[str, Codes], str]]:
    """Yield context, each arm's number of events per unit (the reference first), and warnings, by kind of event.

    Events of units outside the analysis set are not counted, nor those dated before randomisation (a warning says how
    many); an event without a date is.
    """
    study = trial.study
    members = trial.members(scope.analysis.analysis_set)
    people = trial.participants[members]
    events = events[events["unit"].isin(people["unit"])].reset_index(drop=True)
    said = []
    randomised = study.variable_with_role("randomisation_date")
    if source.date and randomised:
        start = events["unit"].map(people.set_index("unit")[randomised.name])
        early = (events[source.date] < start).to_numpy(dtype=bool)
        if early.any():
            said.append(f"not counted, dated before randomisation: {counted(int(early.sum()), 'event')}")
            events = events[~early].reset_index(drop=True)
    groups: list[tuple[str, NDArray[np.bool_]]] = [("", np.ones(len(events), dtype=bool))]
    for flag in source.flags:
        groups.append((f"flag={flag}", is_one(events[flag])))
        said += _unknown(trial, scope.outcome, flag, events)
    if source.category:
        said += _unknown(trial, scope.outcome, source.category, events)
        codes = events[source.category].astype(object).to_numpy()
        levels = _levels(trial, scope.outcome, source.category)
        groups += [(f"level={label}", np.isin(codes, own)) for label, own in levels.items()]
    arms = people["arm"].astype(object).to_numpy()
    units = {unit: i for i, unit in enumerate(people["unit"])}
    who = events["unit"].map(units).to_numpy(dtype=np.int64)
    for context, chosen in groups:
        counts = np.bincount(who[chosen], minlength=len(units)).astype(np.int64)
        yield context, {arm: counts[arms == arm] for arm in study.arms}, "; ".join(said)


def _group_rows(scope: Scope, by_arm: dict[str, Codes], context: str, said: str) -> Iterator[Row]:
    """Yield the rows of one kind of event; `by_arm` holds each unit's number of events, the reference arm first."""
    for arm, counts in by_arm.items():
        n, affected, total = len(counts), int((counts > 0).sum()), int(counts.sum())
        numbers = {"n_set": n, "n_affected": affected, "n_events": total, "event_rate": total / n if n else nan}
        for name, value in numbers.items():
            yield scope.row(name, value, arm=arm, context=context, warning=said)
        yield from proportion_rows(scope, affected, n, arm=arm, context=context, warning=said)
    reference, *others = by_arm
    x0, n0 = int((by_arm[reference] > 0).sum()), len(by_arm[reference])
    for arm in others:
        x, n = int((by_arm[arm] > 0).sum()), len(by_arm[arm])
        error = "" if n and n0 else "an arm has nobody in the analysis set"
        low, high = (nan, nan) if error else newcombe_interval(x, n, x0, n0, scope.conf_level)
        difference = nan if error else x / n - x0 / n0
        contrast = contrast_name(arm, reference)
        for name, value in (("risk_difference", difference), ("conf_low", low), ("conf_high", high)):
            yield scope.row(name, value, contrast=contrast, context=context, warning=said, error=error)


def adherence_rows(trial: TrialData, scope: Scope, declared: Sessions, sessions: pd.DataFrame) -> Iterator[Row]:
    """Yield the sessions offered and attended per unit in the arm that is offered them.

    Args:
        trial: participants with arms.
        scope: the analysis.
        declared: what study.yaml says of the sessions.
        sessions: a row per session offered, with `unit` and whether it was attended.

    A unit without any session counts with none. Thresholds are those of the plan's analysis sets (`min_sessions`).
    """
    study = trial.study
    members = trial.members(scope.analysis.analysis_set)
    people = trial.participants[members]
    arm = declared.arm
    offered_to = people.loc[(people["arm"] == arm).to_numpy(), "unit"]
    own = sessions[sessions["unit"].isin(offered_to)]
    elsewhere = sessions[sessions["unit"].isin(set(people["unit"]) - set(offered_to))]
    said = []
    if len(elsewhere):
        others = study.terms.counted(elsewhere["unit"].nunique())
        said.append(f"not counted: {counted(len(elsewhere), 'session')} of {others} of other arms")
    if unknown := int(own[declared.attended].isna().sum()):
        said.append(f"counted as not attended: {counted(unknown, 'session')} without a record of attendance")
    said_all = "; ".join(said)
    yield scope.row("n_set", len(offered_to), arm=arm, warning=said_all)
    attended = own[is_one(own[declared.attended])]
    for name, rows in (("offered", own), ("attended", attended)):
        per_unit = offered_to.map(rows.groupby("unit").size()).fillna(0)
        for row in continuous_rows(scope, np.asarray(per_unit, dtype=np.float64), arm=arm):
            yield row | {"context": f"sessions={name}", "warning": said_all}
    reached = offered_to.map(attended.groupby("unit").size()).fillna(0)
    for least in sorted({s.min_sessions for s in study.plan.analysis_sets if s.min_sessions}):
        context, count = f"at_least={least}", int((reached >= least).sum())
        yield scope.row("n_level", count, arm=arm, context=context, warning=said_all)
        yield from proportion_rows(scope, count, len(offered_to), arm=arm, context=context, warning=said_all)


def is_one(values: pd.Series) -> NDArray[np.bool_]:
    """Return which values of a category or integer variable are 1; a missing one is not."""
    return values.astype("str").isin(["1", "1.0"]).to_numpy(dtype=bool)


def _unknown(trial: TrialData, table: str, name: str, events: pd.DataFrame) -> list[str]:
    label, missing = mid_sentence(_variable(trial, table, name).label), int(events[name].isna().sum())
    return [f"{label} is not known in {counted(missing, 'row')}"] if missing else []


def _variable(trial: TrialData, table: str, name: str) -> Variable:
    """Return a variable that an event table holds, its own or the study's."""
    file = event_file(trial.study, table)
    own = {v.name: v for v in file.events.variables} if file is not None and file.events else {}
    return own.get(name) or trial.study.variables[name]


def _levels(trial: TrialData, table: str, name: str) -> dict[str, list[str]]:
    """Return the codes of each label of a variable of an event table, in the order of the configuration."""
    codes: dict[str, list[str]] = {}
    for code, label in _variable(trial, table, name).levels.items():
        codes.setdefault(label, []).append(code)
    return codes
