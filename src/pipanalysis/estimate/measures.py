"""Measures of categorical and count outcomes: risks, probabilities, means, and the comparisons of arms made of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import exp, inf, isfinite, log, nan, sqrt
from typing import TYPE_CHECKING

from pipanalysis.estimate.model_result import ModelResult, model_rows
from pipanalysis.study.contrasts import contrast_name

if TYPE_CHECKING:
    from pipanalysis.estimate.analysis_results import Row, Scope
    from pipanalysis.estimate.trial_data import FloatArray


EXACT_TEST = "test=exact"
"""context of an exact test that stands beside a model"""
PENALISED_ODDS = "penalised_odds_ratio"
"""name of an odds ratio by penalised likelihood that stands beside that of maximum likelihood"""


class NoModelError(Exception):
    """The planned model cannot be fitted, and a simpler analysis takes its place; the message says why."""


@dataclass(frozen=True)
class Measure:
    """A quantity of an arm (`arm` only), or a comparison of an arm with the reference, at one visit.

    Attributes:
        name: risk, risk_difference, risk_ratio, odds_ratio, ...
        arm: the arm.
        reference: the reference arm of a comparison, "" for a quantity of one arm.
        estimate: a proportion, mean, difference or ratio; NaN where there is none.
        std_error: of the estimate; of a ratio, of its natural logarithm.
        low: lower confidence limit.
        high: upper confidence limit.
        p_value: of a comparison.
        error: why there is no estimate.
        visit: the visit, where the model is of several.
        level: level of the outcome that it is of.
        further: other statistics of it, by name.
    """

    name: str
    arm: str
    reference: str = ""
    estimate: float = nan
    std_error: float = nan
    low: float = nan
    high: float = nan
    p_value: float = nan
    error: str = ""
    visit: str = ""
    level: str = ""
    further: Mapping[str, float] = field(default_factory=dict)

    @property
    def context(self) -> str:
        """What the results say it belongs to."""
        return f"measure={self.name}" + (f"; level={self.level}" if self.level else "")


@dataclass(frozen=True)
class FitTest:
    """A test of a fit that belongs to a comparison but has no estimate: of several coefficients, of an assumption.

    Attributes:
        context: what is tested, as assumption=proportional_odds.
        arm: the arm compared with the reference.
        reference: the reference arm; "" for a test of the whole model.
        statistics: chi_squared, df, p_value and the like, by name.
    """

    context: str
    arm: str
    reference: str
    statistics: Mapping[str, float]


@dataclass(frozen=True)
class MeasuredResult:
    """The answers of one fit: how it ended and its counts, the measures, and tests beside them."""

    model: ModelResult
    measures: Sequence[Measure]
    tests: Sequence[FitTest] = ()


def measure_rows(scope: Scope, result: MeasuredResult) -> Iterator[Row]:
    """Yield the rows of one fit; a measure's rows have the context measure=NAME."""
    model = result.model
    yield from model_rows(scope, model)
    scope = replace(scope, method=model.method)
    for measure in result.measures:
        statistics = {
            "estimate": measure.estimate,
            "std_error": measure.std_error,
            "conf_low": measure.low,
            "conf_high": measure.high,
        }
        if measure.reference:
            statistics["p_value"] = measure.p_value
        for name, value in (statistics | dict(measure.further)).items():
            yield scope.row(
                name,
                value,
                visit=measure.visit or model.visit,
                arm="" if measure.reference else measure.arm,
                contrast=contrast_name(measure.arm, measure.reference) if measure.reference else "",
                context=measure.context,
                warning=model.said,
                error=measure.error or model.error,
            )
    for test in result.tests:
        for name, value in test.statistics.items():
            yield scope.row(
                name,
                value,
                visit=model.visit,
                contrast=contrast_name(test.arm, test.reference) if test.reference else "",
                context=test.context,
                warning=model.said,
                error=model.error,
            )


@dataclass(frozen=True)
class Wald:
    """Wald intervals and tests, each made on the scale on which its measure is nearest to normal.

    Attributes:
        conf_level: as 0.95.
        df: degrees of freedom of t; infinite for the normal distribution.
    """

    conf_level: float
    df: float = inf

    def _freedom(self) -> dict[str, float]:
        """Return the degrees of freedom that results give beside a measure; the normal distribution has none."""
        return {"df": self.df} if isfinite(self.df) else {}

    def quantile(self) -> float:
        """Return the quantile that a standard error is multiplied with."""
        from scipy.stats import norm, t

        upper = 0.5 + self.conf_level / 2
        return float(t.ppf(upper, self.df) if isfinite(self.df) else norm.ppf(upper))

    def p_value(self, estimate: float, se: float) -> float:
        """Return the two-sided P value that the estimate is zero; NaN without a standard error."""
        from scipy.stats import norm, t

        if not (isfinite(se) and se > 0):
            return nan
        ratio = abs(estimate) / se
        return 2 * float(t.sf(ratio, self.df) if isfinite(self.df) else norm.sf(ratio))

    def difference(self, name: str, arm: str, reference: str, estimate: float, se: float) -> Measure:
        """Return a difference, its limits on its own scale."""
        half = self.quantile() * se
        limits = estimate - half, estimate + half
        p_value = self.p_value(estimate, se)
        return Measure(name, arm, reference, estimate, se, *limits, p_value, further=self._freedom())

    def ratio(self, name: str, arm: str, reference: str, log_ratio: float, se: float) -> Measure:
        """Return a ratio from its logarithm and the standard error of that, its limits on the log scale."""
        half = self.quantile() * se
        limits = exp(log_ratio - half), exp(log_ratio + half)
        p_value = self.p_value(log_ratio, se)
        return Measure(name, arm, reference, exp(log_ratio), se, *limits, p_value, further=self._freedom())

    def proportion(self, name: str, arm: str, p: float, se: float) -> Measure:
        """Return a proportion strictly between 0 and 1 and its standard error, its limits on the logit scale."""
        from scipy.special import expit

        half = self.quantile() * se / (p * (1 - p))
        logit = log(p / (1 - p))
        limits = float(expit(logit - half)), float(expit(logit + half))
        return Measure(name, arm, "", p, se, *limits, further=self._freedom())

    def mean(self, name: str, arm: str, mean: float, se: float) -> Measure:
        """Return a positive mean and its standard error, its limits on the log scale."""
        half = self.quantile() * se / mean
        return Measure(name, arm, "", mean, se, mean * exp(-half), mean * exp(half), further=self._freedom())


def share_measures(
    shares: Mapping[str, tuple[FloatArray, FloatArray]],
    compared: Sequence[str],
    labels: Sequence[str],
    vcov: FloatArray,
    wald: Wald,
) -> list[Measure]:
    """Return the probability of each level in each arm, and the differences from the reference arm.

    Args:
        shares: arm → probabilities of the levels (K,) and their gradients (K, q).
        compared: the arms, the reference first.
        labels: of the levels.
        vcov: covariance of the parameters, shape (q, q).
        wald: how intervals and P values are made.
    """

    def se(direction: FloatArray) -> float:
        return sqrt(float(direction @ vcov @ direction))

    found = []
    p0, g0 = shares[compared[0]]
    for k, label in enumerate(labels):
        for arm in compared:
            p, g = shares[arm]
            found.append(replace(wald.proportion("probability", arm, float(p[k]), se(g[k])), level=label))
        for arm in compared[1:]:
            p, g = shares[arm]
            difference, error = float(p[k] - p0[k]), se(g[k] - g0[k])
            one = wald.difference("probability_difference", arm, compared[0], difference, error)
            found.append(replace(one, level=label))
    return found
