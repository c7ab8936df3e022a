"""What a posterior says of an effect: its interval, and the probabilities that decisions rest on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipanalysis.bayes.arrays import FloatArray

IntervalKind = Literal["eti", "hdi"]


@dataclass(frozen=True)
class Decision:
    """Posterior probabilities of an effect that is positive where it is benefit.

    Attributes:
        benefit: that there is any benefit.
        beyond_mcid: that the benefit is larger than the smallest that matters; NaN where that is not known.
        harm_beyond_mcid: that the harm is.
        equivalence: that the effect lies in the region of practical equivalence.
    """

    benefit: float
    beyond_mcid: float
    harm_beyond_mcid: float
    equivalence: float


def decide(effect: FloatArray, *, mcid: float, rope: float) -> Decision:
    """Return the probabilities from draws of a benefit-aligned effect; `mcid` and `rope` > 0 in its unit, or NaN."""
    known = np.isfinite(mcid)
    return Decision(
        float((effect > 0).mean()),
        float((effect > mcid).mean()) if known else float("nan"),
        float((effect < -mcid).mean()) if known else float("nan"),
        float((np.abs(effect) < rope).mean()) if np.isfinite(rope) else float("nan"),
    )


def interval(values: FloatArray, kind: IntervalKind, probability: float) -> tuple[float, float]:
    """Return a credible interval from draws of any shape: equal tails, or highest density."""
    flat = values.reshape(-1)
    if kind == "eti":
        low, high = np.quantile(flat, [(1 - probability) / 2, (1 + probability) / 2])
    else:
        import arviz as az

        low, high = np.asarray(az.hdi(flat, prob=probability)).reshape(2)
    return float(low), float(high)
