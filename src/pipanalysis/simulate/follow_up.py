"""Which visits took place, when, and which of their values are missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import expit

from pipanalysis.schedule import target_dates

if TYPE_CHECKING:
    from pipanalysis.study.instrument import Instrument
    from pipanalysis.study.load import Study
    from pipanalysis.study.simulation import Simulation


def lost_from(study: Study, simulation: Simulation, severity: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return for each unit the position of the first visit that it is lost from (the number of visits if none).

    The log odds of having been lost by a visit are linear in the baseline severity, standardised so that more is worse;
    the intercept gives the expected share that the configuration states (a monotone pattern, missing at random).
    """
    plan = simulation.attrition
    sign = -1.0 if study.scores[plan.severity].better == "higher" else 1.0
    worse = sign * (severity - severity.mean()) / (severity.std() or 1.0)
    u = generator.random(len(severity))
    first = np.full(len(severity), len(study.visits))
    for position, visit in reversed(list(enumerate(study.visits))):
        rate = plan.rate.get(visit, 0.0)
        if rate > 0:
            lost = u < expit(_intercept(rate, plan.log_odds_per_sd * worse) + plan.log_odds_per_sd * worse)
            first[lost] = position
    return first


def _intercept(rate: float, shift: np.ndarray) -> float:
    return float(brentq(lambda a: expit(a + shift).mean() - rate, -20, 20))


def visit_dates(
    study: Study, simulation: Simulation, randomised_on: pd.Series, generator: np.random.Generator
) -> pd.DataFrame:
    """Return the date of each visit, a column a visit, within the visit's window."""
    dates = {}
    n = len(randomised_on)
    for name, visit in study.visits.items():
        target = target_dates(randomised_on, visit)
        if visit.baseline:
            low, high = simulation.timing.baseline_days_before
            days = -generator.integers(low, high + 1, size=n)
        else:
            days = np.rint(generator.normal(0, simulation.timing.spread_days, size=n)).astype(np.int64)
            if visit.window:
                days = np.clip(days, -visit.window.before, visit.window.after)
        dates[name] = target + pd.to_timedelta(days, unit="D")
    return pd.DataFrame(dates)


def missing_items(instrument: Instrument, n: int, simulation: Simulation, generator: np.random.Generator) -> np.ndarray:
    """Return the (n, items) mask of values missing from forms: single items, pages, whole forms."""
    k, plan = len(instrument.item_names()), simulation.missing
    mask = generator.random((n, k)) < plan.item
    if k > plan.page_length:
        start = generator.integers(k - plan.page_length + 1, size=n)
        place = np.arange(k)[None, :] - start[:, None]
        page = (place >= 0) & (place < plan.page_length) & (generator.random(n) < plan.page)[:, None]
        mask |= page
    return mask | (generator.random(n) < plan.form)[:, None]
