"""What every model hands back: effects, the named status of the fit, and the rows of the results they become."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import IntEnum
from math import isfinite, nan

from pipanalysis.estimate.analysis_results import Row, Scope
from pipanalysis.study.contrasts import contrast_name


class Status(IntEnum):
    """How a fit ended.

    ok: as planned. boundary: a variance is estimated as zero, the model without it was fitted. reduced: a part that
    the data cannot support was left out by rule, or a pre-specified simpler structure took over. failed: no estimates.
    """

    ok = 0
    boundary = 1
    reduced = 2
    failed = 3


class NotFittedError(Exception):
    """A model that these data cannot be fitted with; the message says why."""


@dataclass(frozen=True)
class Effect:
    """A difference between arms, or (`arm` only) an adjusted mean, at a visit.

    Attributes:
        visit: name of the visit.
        arm: the arm; where `reference` is given, minus the reference arm.
        reference: the reference arm of a difference, "" for a mean.
        estimate: in units of the outcome; NaN where there is none.
        std_error: of the estimate.
        df: degrees of freedom of its t distribution.
        error: why there is no estimate.
        context: what else it belongs to, as the level of a subgroup.
        further: other statistics of it, by their names.
    """

    visit: str
    arm: str
    reference: str = ""
    estimate: float = nan
    std_error: float = nan
    df: float = nan
    error: str = ""
    context: str = ""
    further: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Extra:
    """A statistic of the fit that is not an effect."""

    stat_name: str
    stat: float
    visit: str = ""
    arm: str = ""
    context: str = ""


@dataclass(frozen=True)
class ModelResult:
    """The answers of one fit.

    Attributes:
        method: machine name of what was fitted in the end.
        status: how it ended.
        effects: means and differences, those without an estimate included.
        extras: counts, variances and the like.
        warnings: what the reader must know, in sentences.
        error: why the fit failed.
        visit: the visit, where the model is of one visit alone.
        normal_p: whether the P value by the normal distribution is given too.
    """

    method: str
    status: Status
    effects: Sequence[Effect] = ()
    extras: Sequence[Extra] = ()
    warnings: Sequence[str] = ()
    error: str = ""
    visit: str = ""
    normal_p: bool = False

    @property
    def said(self) -> str:
        """The warnings as they stand in a row of the results, each once."""
        return "; ".join(dict.fromkeys(self.warnings))


def model_rows(scope: Scope, result: ModelResult, baseline_sd: float = nan) -> Iterator[Row]:
    """Yield the rows of one fit.

    Args:
        scope: the analysis and outcome.
        result: what the model handed back.
        baseline_sd: pooled SD at baseline that standardised effects are in; NaN for none.

    Every row carries the fit's warnings; a failed fit gives its planned rows without values, with the error.
    """
    scope = replace(scope, method=result.method)
    yield scope.row("fit_status", result.status, visit=result.visit, warning=result.said, error=result.error)
    for extra in result.extras:
        yield scope.row(
            extra.stat_name,
            extra.stat,
            visit=extra.visit,
            arm=extra.arm,
            context=extra.context,
            warning=result.said,
            error=result.error,
        )
    for effect in result.effects:
        difference = bool(effect.reference)
        for name, value in effect_statistics(scope.conf_level, effect, result.normal_p, baseline_sd).items():
            yield scope.row(
                name,
                value,
                visit=effect.visit,
                arm="" if difference else effect.arm,
                contrast=contrast_name(effect.arm, effect.reference) if difference else "",
                context=effect.context,
                warning=result.said,
                error=effect.error or result.error,
            )


def effect_statistics(
    conf_level: float, effect: Effect, normal_p: bool = False, baseline_sd: float = nan
) -> dict[str, float]:
    """Return the statistics of a mean, or of a difference between arms, by the t distribution.

    Args:
        conf_level: of the limits.
        effect: the mean or difference.
        normal_p: give the P value by the normal distribution too.
        baseline_sd: SD that standardised effects are in; NaN for none.
    """
    from scipy.stats import norm, t

    estimate, se, df = effect.estimate, effect.std_error, effect.df
    half = float(t.ppf(0.5 + conf_level / 2, df)) * se
    low, high = estimate - half, estimate + half
    found = {"estimate": estimate, "std_error": se, "df": df, "conf_low": low, "conf_high": high, **effect.further}
    if not effect.reference:
        return found
    ratio = estimate / se if se > 0 else nan
    found |= {"statistic": ratio, "p_value": 2 * float(t.sf(abs(ratio), df))}
    if normal_p:
        found["p_value_z"] = 2 * float(norm.sf(abs(ratio)))
    if isfinite(baseline_sd):
        names = ("effect_size", "effect_size_low", "effect_size_high")
        found |= {name: value / baseline_sd for name, value in zip(names, (estimate, low, high), strict=True)}
    return found


@contextmanager
def python_warnings() -> Iterator[list[str]]:
    """Collect the warnings that libraries raise inside the block, each text once, for the `warning` column."""
    said: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            yield said
        finally:
            said += dict.fromkeys(f"{entry.category.__name__}: {entry.message}" for entry in caught)
