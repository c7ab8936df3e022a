"""Double programming: estimates of the plan's analyses computed a second time by other code, and how far they differ.

The second program (`pipanalysis.second_program`) reads the analysis dataset's two tables itself and shares no line
with the first. Its estimates are results of an analysis of their own; when all families are collected each is held
against the estimate of the analysis that it repeats.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from math import exp, inf, isfinite, log, nan, sqrt
from typing import TYPE_CHECKING, NamedTuple

from pipanalysis.derive.intercurrent import after_column
from pipanalysis.estimate.analysis_results import Row, Scope
from pipanalysis.estimate.planning import compared_visits, given_at_baseline, suitable_outcomes
from pipanalysis.second_program.categories import Fit, maximise, separated, standardised, with_error
from pipanalysis.second_program.design import FEWEST, FloatArray, TooFewError, Wanted, complete_rows, design
from pipanalysis.second_program.regression import least_squares
from pipanalysis.second_program.repeated_measures import unstructured
from pipanalysis.study.contrasts import contrast_name

if TYPE_CHECKING:
    import pandas as pd

    from pipanalysis.study.load import Study
    from pipanalysis.study.plan import Analysis, Outcome
    from pipanalysis.study.terms import Terms

WITH_MEANS = ("mmrm", "ancova")
"""methods whose adjusted means are computed a second time"""
RATIOS = ("odds_ratio", "risk_ratio")
"""measures whose standard error is that of the logarithm"""


class Cell(NamedTuple):
    """What an estimate is of: an arm's adjusted mean, or a contrast between arms."""

    outcome: str
    visit: str
    arm: str
    contrast: str
    context: str


Cells = dict[Cell, dict[str, float]]
"""the estimate, standard error and degrees of freedom of each"""


def double_programming(study: Study, people: pd.DataFrame, scores: pd.DataFrame) -> list[Callable[[], Iterator[Row]]]:
    """Return the second computations, one per analysis repeated and outcome, as calls that yield their rows.

    Args:
        study: the configuration.
        people: the participants of the analysis dataset: unit, arm, in_<analysis set>, variables.
        scores: unit, visit, score, value, level.
    """
    named = {analysis.name: analysis for analysis in study.plan.analyses}
    return [
        partial(_repeated, study, people, scores, ours, named[name], outcome)
        for ours in study.plan.analyses
        if ours.method == "double_programming"
        for name in ours.analyses
        for outcome in suitable_outcomes(study, named[name])
    ]


def _repeated(
    study: Study, people: pd.DataFrame, scores: pd.DataFrame, ours: Analysis, theirs: Analysis, outcome: Outcome
) -> Iterator[Row]:
    visits = compared_visits(study, theirs, outcome)
    together = [tuple(visits)] if theirs.method == "mmrm" else [(visit,) for visit in visits]
    for at in together:
        scope = Scope(ours, outcome.name, outcome.domain, study.plan.conf_level, f"second program of {theirs.method}")
        wanted = wanted_of(study, theirs, outcome, at)
        try:
            rows = complete_rows(people, scores, wanted)
            if theirs.method in ("logistic", "nominal"):
                yield from _categories(study, scope, theirs, wanted, rows)
                continue
            put = design(rows, wanted)
            robust = theirs.standard_error == "HC3"
            found = unstructured(put, at) if theirs.method == "mmrm" else least_squares(put, robust=robust)
        except (ValueError, ArithmeticError) as error:
            for visit in at:
                for arm in wanted.arms[1:]:
                    contrast = contrast_name(arm, wanted.arms[0])
                    said = f"not computed a second time: {_reason(error, study.terms)}"
                    context = repeated_context(theirs.name)
                    yield scope.row("estimate", nan, visit=visit, contrast=contrast, context=context, warning=said)
            continue
        for (kind, arm, visit), one in found.items():
            of = {"arm": arm} if kind == "mean" else {"contrast": contrast_name(arm, wanted.arms[0])}
            for name, value in (("estimate", one.estimate), ("std_error", one.std_error), ("df", one.df)):
                yield scope.row(name, value, visit=visit, **of, context=repeated_context(theirs.name))


def _reason(error: Exception, terms: Terms) -> str:
    """Return what the second program says, with labels for the names that it knows arms and visits by."""
    if isinstance(error, TooFewError):
        return f"fewer than {FEWEST} of {terms.arm(error.arm)} {terms.at(error.visit)}"
    return str(error)


def repeated_context(analysis: str, context: str = "") -> str:
    """Return the context of a second estimate: the analysis that it repeats, and the context of the first."""
    return f"analysis={analysis}" + (f"; {context}" if context else "")


def wanted_of(study: Study, analysis: Analysis, outcome: Outcome, visits: tuple[str, ...]) -> Wanted:
    """Return what an analysis of an outcome asks of the second program, at some visits."""
    baseline_score = analysis.baseline_score or outcome.score
    nominal = study.scores[outcome.score].type == "nominal"
    adjust = analysis.baseline and not nominal and given_at_baseline(study, baseline_score)
    altering = next((e.altering for e in study.plan.estimands if e.name == analysis.estimand), ())
    factors: dict[str, list[str]] = {}
    numbers = []
    for name in dict.fromkeys([*(study.config.randomisation.strata if analysis.strata else []), *analysis.covariates]):
        variable = study.variables.get(name)
        if variable is None or variable.type != "category":
            numbers.append(name)
        else:
            sites = [site.name for site in study.config.sites] if variable.role == "site" else []
            factors[name] = sites or list(variable.levels)
    return Wanted(
        score=outcome.score,
        baseline_score=baseline_score if adjust else "",
        baseline_visit=study.baseline_visit.name if study.baseline_visit else "",
        visits=visits,
        arms=tuple(study.arms),
        analysis_set=analysis.analysis_set,
        factors=factors,
        numbers=numbers,
        by_visit=analysis.baseline_by_visit,
        schedule=tuple(study.visits),
        events=[(after_column(handled.event), handled.strategy) for handled in altering],
        worst=study.scores[outcome.score].worst,
    )


def _categories(study: Study, scope: Scope, analysis: Analysis, wanted: Wanted, rows: pd.DataFrame) -> Iterator[Row]:
    """Yield the second estimates of a binary or nominal outcome at one visit."""
    visit, put = wanted.visits[0], design(rows, wanted)
    binary = analysis.method == "logistic"
    taken = [0.0, 1.0] if binary else sorted(rows["level"].dropna().unique())
    own = rows["value"] if binary else rows["level"]
    level = own.map({name: k for k, name in enumerate(taken)}).to_numpy(dtype=float)
    penalty = separated(put.X, level)
    fit = maximise(put.X, level, penalty=penalty)
    scope = replace(scope, method=f"{scope.method}, {'Jeffreys penalty' if penalty else 'maximum likelihood'}")
    arms = {arm: column for (arm, _), column in put.effects.items()}
    for arm in arms:
        contrast = contrast_name(arm, wanted.arms[0])
        for context, (estimate, error) in _measures(put.X, arms, arm, fit, taken, binary=binary).items():
            for name, value in (("estimate", estimate), ("std_error", error)):
                where = repeated_context(analysis.name, context)
                yield scope.row(name, value, visit=visit, contrast=contrast, context=where)


def _measures(
    X: FloatArray, arms: dict[str, int], arm: str, fit: Fit, taken: list[object], *, binary: bool
) -> dict[str, tuple[float, float]]:
    def share(beta: FloatArray, k: int, where: str) -> float:
        return float(standardised(X, arms, beta)[where][k])

    def difference(k: int) -> tuple[float, float]:
        return with_error(fit, lambda beta: share(beta, k, arm) - share(beta, k, ""))

    if not binary:
        return {f"measure=probability_difference; level={name}": difference(k) for k, name in enumerate(taken)}
    n, p = X.shape
    risks, risks_error = difference(1)
    log_ratio = with_error(fit, lambda beta: log(share(beta, 1, arm) / share(beta, 1, "")))
    log_odds = with_error(fit, lambda beta: float(beta[0, arms[arm]]))
    return {
        "measure=risk_difference": (risks, risks_error * sqrt(n / (n - p))),
        "measure=risk_ratio": (exp(log_ratio[0]), log_ratio[1]),
        "measure=odds_ratio": (exp(log_odds[0]), log_odds[1]),
    }


def compared_rows(study: Study, results: pd.DataFrame) -> Iterator[Row]:
    """Yield how far the second estimates are from the first: differences, and the largest relative one of each.

    Args:
        study: the configuration.
        results: those of all method families.

    A difference of estimates is relative to the first standard error (an estimate may be near zero), of ratios on the
    log scale; one of standard errors and of degrees of freedom to the first's own. Where one program has no value the
    difference is NaN, and a warning says which.
    """
    named = {analysis.name: analysis for analysis in study.plan.analyses}
    for ours in study.plan.analyses:
        if ours.method != "double_programming":
            continue
        second = results[results["analysis"] == ours.name]
        for name in ours.analyses:
            first = _cells(results[results["analysis"] == name])
            again = _cells(
                second[
                    second["context"].eq(repeated_context(name))
                    | second["context"].str.startswith(f"{repeated_context(name)}; ")
                ]
            )
            of_means = named[name].method in WITH_MEANS
            for cell in _compared(first, again, repeated_context(name), means=of_means):
                plain = cell.context.removeprefix(repeated_context(name)).removeprefix("; ")
                domain = study.outcomes[cell.outcome].domain
                scope = Scope(ours, cell.outcome, domain, study.plan.conf_level, f"compared {name}")
                found = _differences(first.get(cell._replace(context=plain), {}), again.get(cell, {}), plain)
                largest = max((abs(value) for value in found.values()), default=inf)
                said = "" if isfinite(largest) else "not compared: one of the two programs has no value"
                value = largest if isfinite(largest) else nan
                where = {"visit": cell.visit, "arm": cell.arm, "contrast": cell.contrast, "context": cell.context}
                yield scope.row("max_relative_difference", value, **where, warning=said)


def _compared(first: Cells, again: Cells, context: str, *, means: bool) -> Iterator[Cell]:
    """Yield what the second program estimated, and what the first has an adjusted mean of where the second fitted."""
    yield from again
    fitted = {(cell.outcome, cell.visit) for cell in again}
    for cell, stats in first.items() if means else ():
        mean = cell.arm and not cell.contrast and not cell.context and isfinite(stats.get("estimate", nan))
        there = cell._replace(context=context)
        if mean and (cell.outcome, cell.visit) in fitted and there not in again:
            yield there


def _differences(first: dict[str, float], second: dict[str, float], context: str) -> dict[str, float]:
    a, b = first.get("estimate", nan), second.get("estimate", nan)
    if any(context.startswith(f"measure={name}") for name in RATIOS):
        a, b = (log(value) if value > 0 else nan for value in (a, b))
    se = first.get("std_error", nan)
    found = {"estimate": (b - a) / se if se else inf}
    for name in ("std_error", "df"):
        if name in second:
            found[name] = second[name] / first[name] - 1 if first.get(name) else inf
    return {name: value if isfinite(value) else inf for name, value in found.items()}


def _cells(rows: pd.DataFrame) -> Cells:
    found: Cells = {}
    chosen = rows[rows["stat_name"].isin(["estimate", "std_error", "df"])]
    for *where, name, value in chosen[[*Cell._fields, "stat_name", "stat"]].itertuples(index=False):
        found.setdefault(Cell(*where), {})[name] = value
    return found
