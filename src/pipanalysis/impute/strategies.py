"""What is assumed of a unit's outcomes after an intercurrent event: mean and covariance by strategy.

Carpenter, Roger and Kenward (2013), Analysis of longitudinal trials with protocol deviation: a framework for relevant,
accessible assumptions, and inference via multiple imputation. J Biopharm Stat 23:1352-1371, sections 4 and 5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from pipanalysis.mmrm.arrays import FloatArray

Strategy = Literal["mar", "j2r", "cr", "cir", "lmcf"]
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)


@dataclass(frozen=True)
class Moments:
    """Mean of units with one history, shape (m, t), and their covariance, (t, t), at the t visits."""

    mean: FloatArray
    covariance: FloatArray


def assumed_moments(strategy: Strategy, own: Moments, reference: Moments, event: int) -> Moments:
    """Return the moments that units are assumed to have whose event came before a visit.

    Args:
        strategy: `mar`: as if the event had not been. `j2r` (jump to reference): from the event on the mean of the
            reference arm. `cr` (copy reference): the reference arm's mean at every visit. `cir` (copy increments in
            reference): from where the unit's arm stood before the event, the reference arm's changes. `lmcf` (last
            mean carried forward): the unit's arm stays at its mean before the event.
        own: of the unit's arm.
        reference: of the reference arm.
        event: first visit after the event, 0 to t; t where there was none. An event before the first visit leaves no
            mean before it: `cir` and `lmcf` are then `j2r` and `mar`, as in R's rbmi.

    Under `j2r` and `cir` the covariance before the event is that of the unit's arm, and later visits depend on earlier
    ones as in the reference arm.
    """
    t = own.covariance.shape[0]
    if strategy == "mar" or event >= t:
        return own
    if strategy == "cr":
        return reference
    mean = own.mean.copy()
    if strategy == "lmcf":
        if event > 0:
            mean[:, event:] = own.mean[:, event - 1 : event]
        return Moments(mean, own.covariance)
    mean[:, event:] = reference.mean[:, event:]
    if strategy == "cir" and event > 0:
        mean[:, event:] += own.mean[:, event - 1 : event] - reference.mean[:, event - 1 : event]
    return Moments(mean, jumped_covariance(own.covariance, reference.covariance, event))


def jumped_covariance(own: FloatArray, reference: FloatArray, event: int) -> FloatArray:
    """Return the covariance that is `own` before the event, and after it regresses on what was before as `reference`.

    Carpenter, Roger and Kenward (2013), equations for jump to reference. Both (t, t); event: first visit after it.
    """
    before, after = slice(0, event), slice(event, None)
    slope = np.linalg.solve(reference[before, before], reference[before, after]).T
    found = np.empty_like(own)
    found[before, before] = own[before, before]
    found[after, before] = slope @ own[before, before]
    found[before, after] = found[after, before].T
    found[after, after] = reference[after, after] - slope @ (reference[before, before] - own[before, before]) @ slope.T
    return found
