"""How the roles of a dyad change together, and whether treatment acts on them alike. Exploratory.

Change is residualised: each role's outcome given both roles' baselines. A difference from baseline would mix in the
errors of measurement at baseline, which regress to the mean in both roles, and it is the change that the treatment
effects are of. Every outcome is turned so that higher is better and divided by its SD at baseline, so that a
correlation above zero says that the roles improve together.

Associations at each visit, for each two roles: within each arm (partial correlation given both baselines), their
difference between arms, pooled within arms (given the arm too), and between arms: the covariance that the arms' own
difference makes, π(1 - π) d₁ d₂, with π the share of the arm and d the two treatment effects.

Treatment effects by role come from one mixed model of all roles and visits, unstructured over role by visit, so that
the difference between two roles has the standard error that their correlation gives it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from math import nan
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pipanalysis.estimate.analysis_data import AnalysisFrame, analysis_frame
from pipanalysis.estimate.analysis_results import Row, Scope
from pipanalysis.estimate.comparison import complete_rows
from pipanalysis.estimate.engine_messages import level_labels
from pipanalysis.estimate.mmrm import how_it_ended, in_one_line, method_name, none_converged
from pipanalysis.estimate.model_result import (
    Effect,
    Extra,
    ModelResult,
    NotFittedError,
    Status,
    model_rows,
    python_warnings,
)
from pipanalysis.estimate.partial_correlation import Correlation, correlation_difference, partial_correlation
from pipanalysis.estimate.subgroup import INTERACTION, interaction_test
from pipanalysis.study.contrasts import contrast_name

if TYPE_CHECKING:
    from pipanalysis.estimate.trial_data import FloatArray, TrialData
    from pipanalysis.mmrm import MMRMFit
    from pipanalysis.mmrm.emmeans import MarginalMeans
    from pipanalysis.study.plan import Analysis, DyadRole

METHOD = "dyadic partial-correlation fisher-z"
PRODUCT = "un@un"
"""structure that takes over where the unstructured covariance of all cells does not converge"""
DRAWS = 100_000
"""draws of two effects that the limits of their product are quantiles of"""


@dataclass(frozen=True)
class Role:
    """One role's outcome, higher is better, in SDs at baseline.

    Attributes:
        name: of the role.
        label: what sentences call it.
        frame: complete rows, with value and baseline in these units.
        planned: units of each arm in the analysis set.
    """

    name: str
    label: str
    frame: AnalysisFrame
    planned: dict[str, int]


def pair_context(first: str, second: str) -> str:
    """Return the context of what is said of two roles together."""
    return f"pair={first},{second}"


def dyadic_rows(trial: TrialData, analysis: Analysis) -> Iterator[Row]:
    """Yield the associations of each two roles at each visit, and the treatment effects by role."""
    roles = [_role(trial, analysis, role) for role in analysis.dyad]
    shared = [visit for visit in roles[0].frame.visits if all(visit in role.frame.visits for role in roles)]
    joined = "+".join(role.outcome for role in analysis.dyad)
    scope = Scope(analysis, joined, "", trial.study.plan.conf_level, METHOD)
    for visit in shared:
        for first, second in combinations(roles, 2):
            yield from association_rows(scope, visit, first, second)
    result, products = joint_effects(roles, analysis, shared, scope.conf_level, trial.study.config.study.seed)
    yield from model_rows(scope, result)
    for visit, contrast, context, (product, low, high) in products:
        for name, value in (("estimate", product), ("conf_low", low), ("conf_high", high)):
            named = replace(scope, method=result.method)
            error = "" if np.isfinite(product) else result.error or "an effect is not estimated"
            yield named.row(name, value, visit=visit, contrast=contrast, context=context, error=error)


def _role(trial: TrialData, analysis: Analysis, role: DyadRole) -> Role:
    outcome = trial.study.outcomes[role.outcome]
    frame = analysis_frame(trial, analysis, outcome)
    planned = {arm: int((frame.data.drop_duplicates("unit")["arm"] == arm).sum()) for arm in frame.arms}
    frame = complete_rows(frame)
    sign = -1.0 if trial.study.scores[outcome.score].better == "lower" else 1.0
    unit = sign / frame.baseline_sd
    data = frame.data.assign(value=frame.data["value"] * unit, baseline=frame.data["baseline"] * unit)
    notes = tuple(f"{note} ({role.label})" for note in frame.notes)
    return Role(role.name, role.label, replace(frame, data=data, notes=notes), planned)


def association_rows(scope: Scope, visit: str, first: Role, second: Role) -> Iterator[Row]:
    """Yield the correlations of two roles at a visit: in each arm, between arms' difference, and pooled within arms."""
    context = pair_context(first.name, second.name)
    columns = ["unit", "arm", "value", "baseline"]
    at = [role.frame.data.loc[role.frame.data["visit"] == visit, columns] for role in (first, second)]
    both = at[0].merge(at[1].drop(columns="arm"), on="unit", suffixes=("_1", "_2"))
    x, y = both["value_1"].to_numpy(np.float64), both["value_2"].to_numpy(np.float64)
    given = both[["baseline_1", "baseline_2"]].to_numpy(np.float64)
    found: dict[str, Correlation] = {}
    for arm in first.frame.arms:
        own = (both["arm"] == arm).to_numpy(dtype=bool)
        found[arm] = partial_correlation(x[own], y[own], given[own], scope.conf_level)
        missing = first.planned[arm] - found[arm].n
        yield from _correlation_rows(scope, found[arm], visit, context, missing, arm=arm)
    arms = [(both["arm"] == arm).to_numpy(np.float64) for arm in first.frame.arms[1:]]
    pooled = partial_correlation(x, y, np.column_stack([given, *arms]), scope.conf_level)
    missing = sum(first.planned.values()) - pooled.n
    yield from _correlation_rows(scope, pooled, visit, context, missing)
    reference = first.frame.reference
    for arm in first.frame.arms[1:]:
        difference = correlation_difference(found[arm], found[reference])
        missing = first.planned[arm] + first.planned[reference] - difference.n
        yield from _correlation_rows(scope, difference, visit, context, missing, contrast=contrast_name(arm, reference))


def _correlation_rows(
    scope: Scope, correlation: Correlation, visit: str, context: str, missing: int, *, arm: str = "", contrast: str = ""
) -> Iterator[Row]:
    error = "" if np.isfinite(correlation.r) else f"{correlation.n} dyads, or no variation: no correlation"
    values = {
        "n_units": correlation.n,
        "n_missing": missing,
        "association": correlation.r,
        "conf_low": correlation.low,
        "conf_high": correlation.high,
        "p_value": correlation.p_value,
    }
    for name, value in values.items():
        yield scope.row(name, value, visit=visit, arm=arm, contrast=contrast, context=context, error=error)


Product = tuple[str, str, str, tuple[float, float, float]]


def joint_effects(
    roles: list[Role], analysis: Analysis, visits: list[str], conf_level: float, seed: int
) -> tuple[ModelResult, list[Product]]:
    """Fit all roles and visits in one model and return the effects by role, their differences, and their products.

    Args:
        roles: two or more.
        analysis: the plan's analysis: its degrees of freedom.
        visits: at which all roles are compared.
        conf_level: of the limits of the products.
        seed: of the draws that these limits are quantiles of.

    Returns:
        The result: the difference between arms in each role at each visit, the differences of these between two roles,
        and the tests that all roles have the same; and the between-arm covariance of each two roles (visit, contrast,
        context, estimate with limits).
    """
    frames = [role.frame for role in roles]
    arms, reference = frames[0].arms, frames[0].reference
    pairs = list(combinations(roles, 2))
    notes = [note for frame in frames for note in frame.notes]
    numbers = [
        Extra("n", frame.observed[arm, visit], visit, arm, f"role={role.name}")
        for role, frame in zip(roles, frames, strict=True)
        for arm in arms
        for visit in visits
    ]
    try:
        with python_warnings() as said:
            fit, means, why = _fitted(roles, analysis, visits)
    except NotFittedError as error:
        contexts = [f"role={role.name}" for role in roles] + [f"roles={a.name} - {b.name}" for a, b in pairs]
        failed = [Effect(v, arm, reference, context=c) for c in contexts for v in visits for arm in arms[1:]]
        untested = [Extra(name, nan, visit) for visit in visits for name in INTERACTION]
        none = [
            (visit, contrast_name(arm, reference), f"between={a.name},{b.name}", (nan, nan, nan))
            for visit in visits
            for arm in arms[1:]
            for a, b in pairs
        ]
        method = method_name(analysis, "us")
        return ModelResult(method, Status.failed, failed, [*numbers, *untested], notes, error=str(error)), none
    status, more = how_it_ended(fit, frames[0], said, _labels(roles))
    if why:
        status = max(status, Status.reduced)
        more = [f"the direct product of roles and visits was fitted, not an unstructured covariance: {why}", *more]
    effects, tests, products = [], [], []
    generator = np.random.default_rng(seed)
    for visit in visits:
        alike = []
        for arm in arms[1:]:
            own = {role.name: _difference(means, role, arm, visit) for role in roles}
            effects += [_effect(means, own[r.name], visit, arm, reference, f"role={r.name}") for r in roles]
            for a, b in pairs:
                first, second = own[a.name], own[b.name]
                between = None if first is None or second is None else first - second
                effects.append(_effect(means, between, visit, arm, reference, f"roles={a.name} - {b.name}"))
                share = _share(a.frame, b.frame, arm, visit)
                limits = _product(fit, means, analysis, first, second, share, conf_level, generator)
                products.append((visit, contrast_name(arm, reference), f"between={a.name},{b.name}", limits))
            known = [weights for weights in own.values() if weights is not None]
            alike += [later - known[0] for later in known[1:]]
        tests += interaction_test(fit, means, analysis, visit, alike)
    extras = [*numbers, Extra("n_units", fit.n_subjects), Extra("n_observations", fit.n_obs), *tests]
    extras += [Extra("deviance", fit.deviance), Extra("aic", fit.aic)]
    if any(effect.error for effect in effects) and status == Status.ok:
        status = Status.reduced
    return ModelResult(method_name(analysis, fit.structure), status, effects, extras, [*notes, *more]), products


def _fitted(roles: list[Role], analysis: Analysis, visits: list[str]) -> tuple[MMRMFit, MarginalMeans, str]:
    """Fit value on arm, own baseline, strata and covariates, all by cell (role by visit).

    Returns:
        The fit, its means by arm and cell, and why the unstructured covariance was not fitted, "" where it was.

    Raises:
        NotFittedError: the engine refused the data, or neither structure converged.
    """
    from pipanalysis.mmrm import MMRM
    from pipanalysis.mmrm.errors import MMRMError
    from pipanalysis.mmrm.problems import ModelInputError

    data = pd.concat([role.frame.data.assign(role=role.name) for role in roles], ignore_index=True)
    data = data[data["visit"].isin(visits)]
    if data.empty:
        raise NotFittedError("no observation")
    cells = [_cell(role, visit) for role in roles for visit in visits]
    data["cell"] = pd.Categorical(data["role"] + ":" + data["visit"].astype(str), categories=cells)
    data["visit"] = data["visit"].astype(str)
    for column in data.columns:
        if isinstance(data[column].dtype, pd.CategoricalDtype):
            data[column] = data[column].cat.remove_unused_categories()
    varying = [c.column for c in roles[0].frame.varying if data[c.column].nunique() > 1]
    terms = ["arm * cell", "baseline * cell", *(f"{column} * cell" for column in varying)]
    formula = "value ~ " + " + ".join(terms)
    labels = level_labels(roles[0].frame, _labels(roles))
    tried: dict[str, str] = {}
    for structure, options in (("us", {"visit": "cell"}), (PRODUCT, {"visit": "visit", "member": "role"})):
        try:
            fit = MMRM(formula, data, subject="unit", covariance=structure, labels=labels, **options).fit()  # type: ignore[arg-type]
        except (ModelInputError, MMRMError, np.linalg.LinAlgError) as error:
            tried[structure] = in_one_line(error)
            continue
        if fit.converged and not np.isfinite(fit.inference(analysis.df).vcov).all():
            tried[structure] = "the data do not determine the covariance"
        elif fit.converged:
            return fit, fit.emmeans(["arm"], by=["cell"], df=analysis.df), tried.get("us", "")
        else:
            tried[structure] = fit.attempts[-1].message
    raise none_converged(tried)


def _labels(roles: list[Role]) -> dict[str, str]:
    return {role.name: role.label for role in roles}


def _cell(role: Role, visit: str) -> str:
    return f"{role.name}:{visit}"


def _difference(means: MarginalMeans, role: Role, arm: str, visit: str) -> FloatArray | None:
    """Return the weights over the means of the difference of an arm from the reference in a cell, None without one."""
    position = {cell: i for i, cell in enumerate(means.cells)}
    own, other = (arm, _cell(role, visit)), (role.frame.reference, _cell(role, visit))
    if own not in position or other not in position or (arm, visit) in role.frame.not_compared:
        return None
    weights = np.zeros(len(means.cells))
    weights[position[own]], weights[position[other]] = 1.0, -1.0
    return weights if means.functions.combine(weights[None, :]).estimable[0] else None


def _effect(
    means: MarginalMeans, weights: FloatArray | None, visit: str, arm: str, reference: str, context: str
) -> Effect:
    if weights is None:
        return Effect(visit, arm, reference, error="not determined by the data", context=context)
    estimate, se, df = means.functions.combine(weights[None, :]).estimates()
    return Effect(visit, arm, reference, float(estimate[0]), float(se[0]), float(df[0]), context=context)


def _share(first: AnalysisFrame, second: AnalysisFrame, arm: str, visit: str) -> float:
    """Return the arm's share of the observations of two roles at a visit, of it and the reference arm."""
    own = sum(frame.observed[arm, visit] for frame in (first, second))
    other = sum(frame.observed[frame.reference, visit] for frame in (first, second))
    return own / (own + other) if own + other else nan


def _product(
    fit: MMRMFit,
    means: MarginalMeans,
    analysis: Analysis,
    first: FloatArray | None,
    second: FloatArray | None,
    share: float,
    conf_level: float,
    generator: np.random.Generator,
) -> tuple[float, float, float]:
    """Return π(1 - π) d₁ d₂ with limits.

    A product of two effects is far from normal where either is near zero, so its limits are quantiles of the products
    of draws from the joint distribution of the effects (MacKinnon, Lockwood and Williams 2004, Multivariate Behavioral
    Research 39:99-128), here a bivariate t with the smaller of their degrees of freedom; with
    less than one there are none.
    """
    if first is None or second is None:
        return nan, nan, nan
    functions = means.functions.combine(np.array([first, second]))
    estimate, _, df = functions.estimates()
    L = functions.contrasts[:, functions.kept]
    vcov = L @ fit.inference(analysis.df).vcov @ L.T
    least, weight = float(df.min()), share * (1 - share)
    if not least >= 1:
        return weight * float(estimate[0] * estimate[1]), nan, nan
    draws = generator.multivariate_normal(np.zeros(2), vcov, size=DRAWS, method="cholesky")
    spread = np.sqrt(least / generator.chisquare(least, size=DRAWS))
    drawn = estimate + draws * spread[:, None]
    low, high = np.quantile(drawn[:, 0] * drawn[:, 1], [0.5 - conf_level / 2, 0.5 + conf_level / 2])
    return weight * float(estimate[0] * estimate[1]), weight * float(low), weight * float(high)
