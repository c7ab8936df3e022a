"""The verbs `estimate` and `collect`: the plan's analyses of a family, and all families in one dataset."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from pipanalysis.errors import PlanError, Problem
from pipanalysis.estimate.analysis_results import FIT_STATUSES, Row, Scope, as_results, checked, in_order
from pipanalysis.estimate.planning import WITHOUT_OUTCOMES, check_families, check_plan, suitable_outcomes
from pipanalysis.files import read_parquet, write_csv, write_parquet
from pipanalysis.progress_bar import steps
from pipanalysis.study.plan import BLINDED_FAMILIES, FAMILIES

if TYPE_CHECKING:
    import pandas as pd

    from pipanalysis.estimate.analysis_data import AnalysisFrame
    from pipanalysis.estimate.model_result import ModelResult
    from pipanalysis.estimate.trial_data import TrialData
    from pipanalysis.study.load import Study
    from pipanalysis.study.plan import Analysis, Outcome


def estimate(study: Study, family: str, *, progress: bool = False) -> str:
    """Carry out the plan's analyses of a method family and write their results.

    Returns:
        What was done, in a line.

    Raises:
        PlanError: there is no such family, or an analysis asks for what cannot be done.
        DataError: the analysis dataset is missing, damaged, or does not fit the configuration.
    """
    if family not in FAMILIES:
        raise PlanError(Problem("estimate", repr(family), ", ".join(FAMILIES)))
    check_plan(study, family)
    say_left_out(study, family)
    from pipanalysis.estimate.measurement import measurement_results
    from pipanalysis.estimate.trial_data import read_trial_data

    if family in BLINDED_FAMILIES:
        results = measurement_results(study)
    else:
        results = family_results(read_trial_data(study), family, progress=progress)
    write_parquet(study.layout.family(family), results)
    ended = results.loc[results["stat_name"] == "fit_status", "stat_label"].value_counts()
    fits = ", ".join(f"{ended[status]} {status}" for status in FIT_STATUSES if status in ended)
    return f"{len(results)} statistics" + (f"; fits: {fits}" if fits else "")


def family_results(trial: TrialData, family: str, *, progress: bool = False) -> pd.DataFrame:
    """Return the analysis results of a method family.

    One process and one BLAS thread: a fit takes milliseconds, starting a process seconds.
    """
    from threadpoolctl import threadpool_limits

    work: list[Callable[[], Iterator[Row]]] = []
    for analysis in trial.study.family_analyses(family):
        work += _work(trial, analysis)
    rows: list[Row] = []
    with threadpool_limits(limits=1):
        for part in steps(work, family, show=progress):
            rows += part()
    return as_results(rows)


def _work(trial: TrialData, analysis: Analysis) -> list[Callable[[], Iterator[Row]]]:
    """Return the parts of an analysis, one per outcome, as calls that yield its rows."""
    from pipanalysis.estimate.baseline import baseline_characteristics
    from pipanalysis.estimate.safety import safety_rows

    if analysis.method == "baseline":
        return [partial(baseline_characteristics, trial, analysis)]
    if analysis.method in ("adherence", "harms"):
        return [partial(safety_rows, trial, analysis)]
    return [partial(outcome_rows, trial, analysis, outcome) for outcome in suitable_outcomes(trial.study, analysis)]


def outcome_rows(trial: TrialData, analysis: Analysis, outcome: Outcome) -> Iterator[Row]:
    """Yield the rows of one analysis of one outcome."""
    from pipanalysis.estimate import (
        ancova,
        binary,
        change,
        cross_check,
        describe,
        effect_size,
        growth,
        mixed_model,
        mmrm,
        rerandomisation,
        subgroup,
    )
    from pipanalysis.estimate.analysis_data import analysis_frame
    from pipanalysis.estimate.model_result import model_rows

    scope = Scope(analysis, outcome.name, outcome.domain, trial.study.plan.conf_level, analysis.method)
    if analysis.method == "descriptives":
        yield from describe.descriptives(trial, scope, outcome)
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
    elif analysis.method == "logistic":
        for answer in binary.logistic(frame, scope.conf_level):
            yield from binary.binary_rows(scope, answer)
    elif analysis.method == "mixed_model":
        yield from _fit_rows(trial, scope, outcome, frame, mixed_model.mixed_model(frame, analysis))
    elif analysis.method == "growth":
        begun = trial.study.baseline_visit
        months = {name: visit.months - (begun.months if begun else 0) for name, visit in trial.study.visits.items()}
        yield from _fit_rows(trial, scope, outcome, frame, growth.growth(frame, months))
    elif analysis.subgroup:
        labels = subgroup.level_labels(trial.study, analysis.subgroup)
        yield from model_rows(scope, subgroup.subgroup_effects(frame, analysis, labels), frame.baseline_sd)
    else:
        yield from _fit_rows(trial, scope, outcome, frame, mmrm.mmrm(frame, analysis))
        if analysis.method == "mmrm":
            yield from cross_check.cross_check_rows(replace(scope, method=cross_check.METHOD), frame)


def _fit_rows(
    trial: TrialData, scope: Scope, outcome: Outcome, frame: AnalysisFrame, result: ModelResult
) -> Iterator[Row]:
    """Yield the rows of a fit of one outcome, and what its differences say of the plan's margins."""
    from pipanalysis.estimate.margin import margin_rows
    from pipanalysis.estimate.model_result import model_rows

    yield from model_rows(scope, result, frame.baseline_sd)
    better = trial.study.scores[outcome.score].better
    for margin in scope.analysis.margins:
        if margin.outcome == outcome.name and better:
            yield from margin_rows(scope, result, margin, better)


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

    P values adjusted for multiplicity are added here, since the hypotheses of a family may be of several methods.

    Returns:
        What was done, in a line.

    Raises:
        ConfigError: the study has no analysis.
        PlanError: a family of hypotheses lists an outcome that its analysis cannot be carried out on.
        DataError: a family's results are missing or do not meet the schema.
    """
    import pandas as pd

    from pipanalysis.estimate.multiplicity import adjusted_rows

    study.require_analysis()
    check_families(study)
    paths = [study.layout.family(family) for family in study.families()]
    parts = [checked(read_parquet(path), path.name) for path in paths]
    parts.append(as_results(adjusted_rows(study, pd.concat(parts, ignore_index=True))))
    results = checked(in_order(pd.concat(parts, ignore_index=True)), "all families together")
    write_parquet(study.layout.estimates, results)
    write_csv(study.layout.estimates_csv, results)
    written = study.layout.estimates_csv.relative_to(study.layout.root)
    return f"{len(results)} statistics of {len(paths)} families ({written})"
