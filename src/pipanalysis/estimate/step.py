"""The verbs `estimate` and `collect`: the plan's analyses of a family, and all families in one dataset."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from pipanalysis.errors import DataError, PlanError, Problem
from pipanalysis.estimate.analysis_results import FIT_STATUSES, Row, Scope, as_results, checked, in_order
from pipanalysis.estimate.planning import (
    TYPE_OF_METHOD,
    check_families,
    check_plan,
    suitable_outcomes,
)
from pipanalysis.estimate.single_units import refuse_single_units
from pipanalysis.files import read_parquet, write_csv, write_parquet
from pipanalysis.progress_bar import steps
from pipanalysis.study.plan import BLINDED_FAMILIES, FAMILIES, WITHOUT_OUTCOMES

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from pipanalysis.bayes.sampler import Sampler
    from pipanalysis.estimate.analysis_data import AnalysisFrame
    from pipanalysis.estimate.measures import MeasuredResult
    from pipanalysis.estimate.model_result import ModelResult
    from pipanalysis.estimate.trial_data import TrialData
    from pipanalysis.study.load import Study
    from pipanalysis.study.plan import Analysis, Outcome


def estimate(study: Study, family: str, *, progress: bool = False, sampler: Sampler | None = None) -> str:
    """Carry out the plan's analyses of a method family and write their results.

    Args:
        study: the configuration.
        family: method family.
        progress: show a bar.
        sampler: of the Bayesian models, in the place of the plan's.

    Returns:
        What was done, in a line.

    Raises:
        PlanError: there is no such family, or an analysis asks for what cannot be done.
        DataError: the analysis dataset is missing, damaged, or does not fit the configuration.
        DisclosureError: the plan asks for values of single units, whose data are neither made up nor published.
    """
    if family not in FAMILIES:
        raise PlanError(Problem("estimate", repr(family), ", ".join(FAMILIES)))
    check_plan(study, family)
    refuse_single_units(study, family)
    say_left_out(study, family)
    if sampler is not None and family != "bayes":
        raise PlanError(Problem("estimate", f"--sampler {sampler} for {family}", "the family bayes, or no sampler"))
    if family == "bayes":
        from pipanalysis.estimate.bayes import bayes_results
        from pipanalysis.estimate.trial_data import read_trial_data

        results = bayes_results(read_trial_data(study), sampler, progress=progress)
    elif family in BLINDED_FAMILIES:
        from pipanalysis.estimate.measurement import measurement_results

        results = measurement_results(study)
    elif family == "double":
        results = second_results(study, progress=progress)
    else:
        from pipanalysis.estimate.trial_data import read_trial_data

        results = family_results(read_trial_data(study), family, progress=progress)
    write_parquet(study.layout.family(family), results)
    ended = results.loc[results["stat_name"] == "fit_status", "stat_label"].value_counts()
    fits = ", ".join(f"{ended[status]} {status}" for status in FIT_STATUSES if status in ended)
    return f"{len(results)} statistics" + (f"; fits: {fits}" if fits else "")


def second_results(study: Study, *, progress: bool = False) -> pd.DataFrame:
    """Return the estimates of the second program, from the analysis dataset's tables as they are."""
    from pipanalysis.estimate.double_programming import double_programming
    from pipanalysis.estimate.trial_data import read_trial_data

    read_trial_data(study)  # refuses tables that are missing, damaged or do not fit the configuration
    people = read_parquet(study.layout.analysis_participants)
    scores = read_parquet(study.layout.scores, ["unit", "visit", "score", "value", "level"])
    return carried_out(double_programming(study, people, scores), "double", progress=progress)


def family_results(trial: TrialData, family: str, *, progress: bool = False) -> pd.DataFrame:
    """Return the analysis results of a method family.

    One process and one BLAS thread: a fit takes milliseconds, starting a process seconds.
    """
    work: list[Callable[[], Iterator[Row]]] = []
    for analysis in trial.study.family_analyses(family):
        work += _work(trial, analysis)
    return carried_out(work, family, progress=progress)


def carried_out(work: list[Callable[[], Iterator[Row]]], family: str, *, progress: bool) -> pd.DataFrame:
    """Return the rows that the parts of a family's work yield."""
    from threadpoolctl import threadpool_limits

    rows: list[Row] = []
    with threadpool_limits(limits=1):
        for part in steps(work, family, show=progress):
            rows += part()
    return as_results(rows)


def _work(trial: TrialData, analysis: Analysis) -> list[Callable[[], Iterator[Row]]]:
    """Return the parts of an analysis, one per outcome, as calls that yield its rows."""
    from pipanalysis.estimate.baseline import baseline_characteristics
    from pipanalysis.estimate.dyadic import dyadic_rows
    from pipanalysis.estimate.flow import flow_rows
    from pipanalysis.estimate.safety import safety_rows

    trial = trial.under(analysis.estimand)
    if analysis.method == "baseline":
        return [partial(baseline_characteristics, trial, analysis)]
    if analysis.method in ("adherence", "harms", "service_use"):
        return [partial(safety_rows, trial, analysis)]
    if analysis.method == "dyadic":
        return [partial(dyadic_rows, trial, analysis)]
    if analysis.method in ("flow", "protocol_deviations", "recruitment"):
        return [partial(flow_rows, trial.study, analysis)]
    return [partial(outcome_rows, trial, analysis, outcome) for outcome in suitable_outcomes(trial.study, analysis)]


def outcome_rows(trial: TrialData, analysis: Analysis, outcome: Outcome) -> Iterator[Row]:
    """Yield the rows of one analysis of one outcome."""
    from pipanalysis.estimate import (
        ancova,
        change,
        checks,
        completeness,
        describe,
        effect_size,
        growth,
        mixed_model,
        mmrm,
        moderator,
        received,
        reference_based,
        rerandomisation,
        subgroup,
    )
    from pipanalysis.estimate.analysis_data import analysis_frame, level_labels
    from pipanalysis.estimate.measures import measure_rows
    from pipanalysis.estimate.model_result import model_rows
    from pipanalysis.estimate.random_stream import random_stream

    scope = Scope(analysis, outcome.name, outcome.domain, trial.study.plan.conf_level, analysis.method)
    if analysis.method == "descriptives":
        yield from describe.descriptives(trial, scope, outcome)
        return
    if analysis.method == "completeness":
        yield from completeness.completeness_rows(trial, scope, outcome)
        return
    if analysis.method == "reliable_change":
        yield from change.change_rows(trial, replace(scope, method=change.METHOD), outcome)
        return
    frame = analysis_frame(trial, analysis, outcome)
    if analysis.method == "effect_size":
        yield from effect_size.effect_size_rows(replace(scope, method=effect_size.METHOD), frame)
    elif analysis.method == "ancova":
        for result in ancova.ancova(frame, analysis):
            yield from _fit_rows(trial, scope, outcome, frame, result)
    elif analysis.method == "rerandomisation":
        config = trial.study.config
        visits = rerandomisation.rerandomisation(frame, analysis, config.randomisation.strata, config.study.seed)
        for at, tests in visits:
            yield from rerandomisation.rerandomisation_rows(scope, at, tests)
    elif analysis.method in TYPE_OF_METHOD:
        for answer in _measured(trial, analysis, outcome, frame):
            yield from measure_rows(scope, answer)
    elif analysis.method == "mixed_model":
        yield from _fit_rows(trial, scope, outcome, frame, mixed_model.mixed_model(frame, analysis))
    elif analysis.method == "growth":
        begun = trial.study.baseline_visit
        months = {name: visit.months - (begun.months if begun else 0) for name, visit in trial.study.visits.items()}
        yield from _fit_rows(trial, scope, outcome, frame, growth.growth(frame, months))
    elif analysis.method == "reference_based":
        rng = random_stream(trial.study.config.study.seed, analysis.name, outcome.name)
        yield from model_rows(scope, reference_based.reference_based(frame, analysis, rng), frame.baseline_sd)
    elif analysis.method in ("therapist", "cace"):
        for result in received.received(trial, analysis, frame):
            yield from model_rows(scope, result, frame.baseline_sd)
    elif analysis.moderator:
        yield from model_rows(scope, moderator.moderated_effects(frame, analysis), frame.baseline_sd)
    elif analysis.subgroup:
        labels = level_labels(trial.study, trial.study.variables[analysis.subgroup])
        yield from model_rows(scope, subgroup.subgroup_effects(frame, analysis, labels), frame.baseline_sd)
    else:
        result, fit = mmrm.mmrm(frame, analysis)
        yield from _fit_rows(trial, scope, outcome, frame, result)
        if analysis.checks and fit is not None:
            yield from checks.check_rows(replace(scope, method=result.method), fit.frame, fit.fit, result.effects)


def _measured(trial: TrialData, analysis: Analysis, outcome: Outcome, frame: AnalysisFrame) -> list[MeasuredResult]:
    """Carry out a method for outcomes of one type: binary, ordinal, nominal or count."""
    from pipanalysis.estimate import binary, count, describe, gee, nominal, ordinal

    study = trial.study
    conf_level, score = study.plan.conf_level, study.scores[outcome.score]
    if analysis.method == "gee":
        return gee.gee(frame, analysis.working_correlation, analysis.baseline_by_visit, conf_level)
    if analysis.method == "ordinal":
        return ordinal.ordinal(frame, score.better or "higher", conf_level)
    if analysis.method == "count":
        return count.count(frame, score.range.max if score.range else None, conf_level)
    if analysis.method == "nominal":
        labels = describe.nominal_levels(study, outcome.score)
        levels = study.instruments[outcome.score.partition(".")[0]].items.levels
        reference = levels[analysis.reference_level] if analysis.reference_level else labels[0]
        return nominal.nominal(frame, labels, reference, conf_level)
    drawn = None
    if analysis.bootstrap:
        stream = f"{analysis.name}/{outcome.name}"
        drawn = binary.Bootstrap(analysis.bootstrap, study.config.study.seed, stream)
    return binary.logistic(frame, conf_level, drawn)


def _fit_rows(
    trial: TrialData, scope: Scope, outcome: Outcome, frame: AnalysisFrame, result: ModelResult
) -> Iterator[Row]:
    """Yield the rows of a fit of one outcome, and its differences against the plan's margins and delta-adjusted."""
    from pipanalysis.estimate.delta_adjustment import delta_rows
    from pipanalysis.estimate.margin import margin_rows
    from pipanalysis.estimate.model_result import model_rows

    yield from model_rows(scope, result, frame.baseline_sd)
    better = trial.study.scores[outcome.score].better
    for margin in scope.analysis.margins:
        if margin.outcome == outcome.name and better:
            yield from margin_rows(scope, result, margin, better)
    for adjustment in scope.analysis.delta_adjustments:
        if adjustment.outcome == outcome.name:
            members = frame.data.groupby("arm", observed=False)["unit"].nunique()
            yield from delta_rows(scope, result, adjustment, {str(arm): int(n) for arm, n in members.items()})


def say_left_out(study: Study, family: str) -> None:
    """Say which outcomes an analysis of all outcomes leaves out because its method does not suit them."""
    for analysis in study.family_analyses(family):
        if analysis.method in WITHOUT_OUTCOMES:
            continue
        asked, suited = study.analysis_outcomes(analysis), suitable_outcomes(study, analysis)
        left_out = [outcome.name for outcome in asked if outcome not in suited]
        if left_out:
            listed = ", ".join(left_out)
            sys.stderr.write(f"{analysis.name}: {len(suited)} of {len(asked)} outcomes; not suited: {listed}\n")


def collect(study: Study) -> str:
    """Put the results of all families into one checked dataset, as Parquet and as CSV at full precision.

    P values adjusted for multiplicity are added here, since the hypotheses of a family may be of several methods, and
    so are the comparisons of two programs that computed one estimate; each analysis is marked prespecified or not by
    the plan's lock, where there is one.

    Returns:
        What was done, in a line.

    Raises:
        ConfigError: the study has no analysis.
        PlanError: a family of hypotheses lists an outcome that its analysis cannot be carried out on.
        DataError: a family's results are missing or do not meet the schema.
    """
    import pandas as pd

    from pipanalysis.estimate.cross_check import cross_check_rows
    from pipanalysis.estimate.double_programming import compared_rows
    from pipanalysis.estimate.multiplicity import adjusted_rows

    study.require_analysis()
    check_families(study)
    paths = [study.layout.family(family) for family in study.families()]
    _require_all(study, paths)
    parts = [read_parquet(path) for path in paths]
    together = _checked_together(parts, [path.name for path in paths])
    parts += [as_results(adjusted_rows(study, together)), as_results(cross_check_rows(study, together))]
    parts += [as_results(compared_rows(study, together))]
    together = in_order(pd.concat(parts, ignore_index=True))
    planned = {name for name, found in study.statuses.items() if found.status == "prespecified"}
    together["prespecified"] = together["analysis"].isin(planned)
    results = checked(together, "all families together")
    write_parquet(study.layout.estimates, results)
    write_csv(study.layout.estimates_csv, results)
    written = study.layout.estimates_csv.relative_to(study.layout.root)
    return f"{len(results)} statistics of {len(paths)} families ({written})"


def _require_all(study: Study, paths: list[Path]) -> None:
    """Name every family of the plan that is not estimated yet, and the command that estimates them."""
    missing = [path for path in paths if not path.is_file()]
    if missing:
        command = f"run: pipanalysis estimate {' '.join(path.stem for path in missing)}"
        allowed = "the results of every method family that the plan has"
        raise DataError(
            [Problem(str(path.relative_to(study.layout.root)), "no such file", allowed, command) for path in missing]
        )


def _checked_together(parts: list[pd.DataFrame], names: list[str]) -> pd.DataFrame:
    """Return the families' results together, checked as one; where that fails, one by one, to name the file."""
    import pandas as pd

    together = pd.concat(parts, ignore_index=True)
    try:
        return checked(together, "all families together")
    except DataError:
        for part, name in zip(parts, names, strict=True):
            checked(part, name)
        raise
