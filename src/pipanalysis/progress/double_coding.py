"""How far the second coding of forms has got, and how well coders agree so far. Coders see no arm, nor does this."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, isnan
from typing import TYPE_CHECKING

import numpy as np

from pipanalysis.estimate.measurement import paired_codings
from pipanalysis.estimate.planning import CATEGORICAL
from pipanalysis.estimate.reliability import Coefficient, cohens_kappa, icc_agreement

if TYPE_CHECKING:
    from pipanalysis.progress.data import ProgressData

CONF_LEVEL = 0.95
FEWEST_PAIRS = 5
"""no agreement of fewer forms than these"""


@dataclass(frozen=True)
class Coded:
    """Second coding of an instrument: forms done, wanted and coded twice."""

    instrument: str
    done: int
    wanted: int
    coded: int


@dataclass(frozen=True)
class Agreement:
    """Agreement of two coders in a score, over all visits.

    Attributes:
        score: instrument.score.
        pairs: forms with the score by both coders.
        measure: ICC or kappa.
        value: of it, and its 95% limits; None where there are too few pairs or no variation.
        low: lower limit.
        high: upper limit.
        reason: why there is none.
    """

    score: str
    pairs: int
    measure: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    reason: str = ""


def coding_progress(data: ProgressData) -> list[Coded]:
    """Return how many forms with any item answered are coded twice, of those wanted by the plan's share."""
    rows = []
    for plan in data.study.progress.double_coding:
        forms = data.forms[(data.forms["instrument"] == plan.instrument) & (data.forms["answered"] > 0)]
        twice = data.codings.get(plan.instrument)
        instrument = data.study.instruments[plan.instrument]
        coded = 0
        if twice is not None:
            items = [c for c in map(instrument.item_variable, instrument.item_names()) if c in twice]
            rated = twice[twice[items].notna().any(axis=1)] if items else twice.iloc[:0]
            coded = len(rated[["unit", "visit"]].drop_duplicates())
        rows.append(Coded(plan.instrument, len(forms), ceil(round(len(forms) * plan.share, 9)), coded))
    return rows


def coder_agreement(data: ProgressData) -> list[Agreement]:
    """Return the agreement so far in every score of the instruments that are coded twice."""
    found = []
    for plan in data.study.progress.double_coding:
        if plan.instrument not in data.codings:
            continue
        instrument = data.study.instruments[plan.instrument]
        pairs, _ = paired_codings(instrument, data.codings[plan.instrument], data.raw_visits)
        for name, pair in pairs.items():
            score = f"{instrument.name}.{name}"
            kappa = instrument.scores[name].type in CATEGORICAL
            measure = "kappa" if kappa else "ICC"
            if len(pair) < FEWEST_PAIRS:
                reason = f"fewer than {FEWEST_PAIRS} forms coded twice"
                found.append(Agreement(score, len(pair), measure, reason=reason))
                continue
            a, b = (pair[column].to_numpy(dtype=np.float64) for column in ("a", "b"))
            result = _kappa(a, b) if kappa else icc_agreement(np.column_stack([a, b]), CONF_LEVEL)
            found.append(_agreement(score, len(pair), measure, result))
    return found


def _kappa(a: np.ndarray, b: np.ndarray) -> Coefficient:
    levels = np.unique(np.concatenate([a, b])).tolist()
    return cohens_kappa(a.astype(object), b.astype(object), levels, CONF_LEVEL)


def _agreement(score: str, pairs: int, measure: str, result: Coefficient) -> Agreement:
    if isnan(result.value):
        return Agreement(score, pairs, measure, reason=result.error)
    low, high = (None if isnan(limit) else limit for limit in (result.low, result.high))
    return Agreement(score, pairs, measure, result.value, low, high)
