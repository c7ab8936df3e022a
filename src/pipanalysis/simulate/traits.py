"""True scores of the synthetic trial: correlated normals, rounded to what a score can be; and their exact moments."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

if TYPE_CHECKING:
    from pipanalysis.study.instrument import Instrument, Score
    from pipanalysis.study.load import Study
    from pipanalysis.study.simulation import Simulation, Trait


def possible_values(instrument: Instrument, score: Score) -> np.ndarray:
    """Return every value that a drawn score can take, in order: those that its complete items can make."""
    chosen = instrument.item_names() if score.items == "all" else score.items
    limits = [limit for item in chosen if (limit := instrument.item_range(item)) is not None]
    low, high = sum(limit.min for limit in limits), sum(limit.max for limit in limits)
    step = instrument.items.step or 1.0
    sums = low + step * np.arange(round((high - low) / step) + 1)
    return sums / len(chosen) if score.rule == "mean" else sums


def draw_traits(
    study: Study, simulation: Simulation, arms: np.ndarray, therapist: np.ndarray, generator: np.random.Generator
) -> np.ndarray:
    """Draw the true scores.

    Args:
        study: visits and instruments.
        simulation: means, SDs, effects and correlations.
        arms: (n,) arm of each unit.
        therapist: (n,) therapist of each unit, -1 where there is none.
        generator: source of randomness.

    Returns:
        (n, visits, traits) scores. The correlation matrix is the Kronecker product of the visits' and the traits'; the
        therapist's share of the variance after baseline replaces as much of the unit's own, so that the SD stays.
    """
    visits, traits = list(study.visits), simulation.traits
    n = len(arms)
    between_visits = np.linalg.cholesky(_exchangeable(len(visits), simulation.correlations.visits))
    between_traits = np.linalg.cholesky(trait_correlation(study, simulation))
    z = generator.standard_normal((n, len(visits), len(traits)))
    z = np.einsum("vw,nwt,st->nvs", between_visits, z, between_traits, optimize=True)
    icc = simulation.correlations.therapist_icc
    shared = generator.standard_normal((max(int(therapist.max(initial=-1)) + 1, 1), len(traits)))
    has, after = therapist >= 0, np.array([not study.visits[name].baseline for name in visits])
    mixed = np.sqrt(1 - icc) * z + np.sqrt(icc) * shared[np.maximum(therapist, 0)][:, None, :]
    z = np.where(has[:, None, None] & after[None, :, None], mixed, z)
    scores: npt.NDArray[np.float64] = np.empty(z.shape)
    for t, trait in enumerate(traits):
        values = _values(study, trait)
        for v, visit in enumerate(visits):
            mean = np.array([_mean(trait, str(arm), visit) for arm in study.arms])
            position = {arm: i for i, arm in enumerate(study.arms)}
            drawn = mean[[position[str(arm)] for arm in arms]] + trait.sd[visit] * z[:, v, t]
            nearest = np.rint((drawn - values[0]) / (values[1] - values[0])).astype(np.int64)
            scores[:, v, t] = values[np.clip(nearest, 0, len(values) - 1)]
    return scores


def trait_correlation(study: Study, simulation: Simulation) -> npt.NDArray[np.float64]:
    """Return the (traits, traits) correlation matrix, positive where higher is better in both or lower in both."""
    groups = np.array([trait.group for trait in simulation.traits])
    sign = np.array([-1.0 if study.scores[trait.score].better == "lower" else 1.0 for trait in simulation.traits])
    same = groups[:, None] == groups[None, :]
    matrix = np.where(same, simulation.correlations.within_group, simulation.correlations.between_groups)
    np.fill_diagonal(matrix, 1.0)
    oriented: np.ndarray = matrix * np.outer(sign, sign)
    return oriented


def exact_moments(study: Study, trait: Trait, arm: str, visit: str) -> tuple[float, float]:
    """Return the mean and SD of a drawn score: sums over the values it can take, weighted by normal probabilities."""
    values = _values(study, trait)
    edges = (values[1:] + values[:-1]) / 2
    below = ndtr((edges - _mean(trait, arm, visit)) / trait.sd[visit])
    weight = np.diff(np.concatenate([[0.0], below, [1.0]]))
    mean = float(weight @ values)
    return mean, float(np.sqrt(weight @ (values - mean) ** 2))


def _exchangeable(size: int, correlation: float) -> np.ndarray:
    return np.full((size, size), correlation) + (1 - correlation) * np.eye(size)


def _values(study: Study, trait: Trait) -> np.ndarray:
    return possible_values(study.instruments[trait.score.partition(".")[0]], study.scores[trait.score])


def _mean(trait: Trait, arm: str, visit: str) -> float:
    return trait.mean[visit] + trait.effect.get(arm, {}).get(visit, 0.0)
