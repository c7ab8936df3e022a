"""One outcome of a trial as the models take it: checked, standardised, and reduced to cross-products by pattern."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pipanalysis.bayes.arrays import BoolArray, FloatArray, IntArray
from pipanalysis.bayes.errors import BayesInputError

MIN_UNITS = 4
"""units of an arm that must be observed at a visit: with fewer, an effect there would be little but its prior"""
NO_VARIANCE = 1e-12


@dataclass(frozen=True)
class RepeatedMeasures:
    """Observed rows of one outcome and the design of their means.

    Attributes:
        y: outcome in its own units, (N,).
        X: design, full rank, (N, q): visit means, baseline, covariates.
        effects: design of the differences between arms, (N, e): an indicator of arm and visit each.
        unit, visit: codes of each row, (N,).
        n_visits: number of visits.
        scale: SD that effects are standardised by, in units of the outcome.
        benefit: 1 where higher is better, -1 where lower is.
        group: code of the group (therapist) of each row, -1 for none; None where groups are not modelled.
        location: what is taken off the outcome, in its units; default its mean. The prior of visit means is around it.
        effect_names, visit_names: for messages.
    """

    y: FloatArray
    X: FloatArray
    effects: FloatArray
    unit: IntArray
    visit: IntArray
    n_visits: int
    scale: float
    benefit: int = 1
    group: IntArray | None = None
    location: float | None = None
    effect_names: tuple[str, ...] = ()
    visit_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        problems = list(self._problems())
        if problems:
            raise BayesInputError(problems)

    def _problems(self) -> Sequence[str]:
        n = len(self.y)
        if any(len(a) != n for a in (self.X, self.effects, self.unit, self.visit)):
            return ["arrays of different lengths"]
        if n == 0:
            return ["no observation"]
        if not (np.isfinite(self.y).all() and np.isfinite(self.X).all() and np.isfinite(self.effects).all()):
            return ["values that are missing or infinite"]
        found = []
        if not (np.isfinite(self.scale) and self.scale > 0):
            found.append(f"the standard deviation to standardise by is {self.scale}, not positive")
        if self.benefit not in (-1, 1):
            found.append(f"benefit is {self.benefit}, not 1 or -1")
        if np.ptp(self.y) == 0:
            found.append(f"no variance: all {n} values are {self.y[0]:g}")
        else:
            design = np.column_stack([self.X, self.effects])
            residual = self.y - design @ np.linalg.lstsq(design, self.y, rcond=None)[0]
            if n <= design.shape[1] or residual @ residual <= NO_VARIANCE * ((self.y - self.y.mean()) ** 2).sum():
                found.append(f"no residual variance: {n} observations, {design.shape[1]} coefficients")
        seen = np.bincount(self.visit, minlength=self.n_visits)
        visits = self.visit_names or [f"visit {j + 1}" for j in range(self.n_visits)]
        effects = self.effect_names or [f"difference {j + 1}" for j in range(self.effects.shape[1])]
        found += [f"no observation at {visits[j]}" for j in np.flatnonzero(seen == 0)]
        for j in range(self.effects.shape[1]):
            own = self.effects[:, j] != 0
            inside = int(own.sum())
            outside = int((np.isin(self.visit, self.visit[own]) & ~own).sum())
            if min(inside, outside) < MIN_UNITS:
                found.append(f"{effects[j]}: {inside} observed in the arm, {outside} outside it; {MIN_UNITS} needed")
        if len(np.unique(np.column_stack([self.unit, self.visit]), axis=0)) != n:
            found.append("a unit with two rows for one visit")
        return found

    @property
    def n_groups(self) -> int:
        """Groups (therapists)."""
        return 0 if self.group is None else int(self.group.max(initial=-1)) + 1

    @cached_property
    def centre(self) -> float:
        """What is taken off the outcome: the location that was given, or the mean."""
        return float(self.y.mean()) if self.location is None else self.location

    @property
    def unit_of_effect(self) -> float:
        """What a standardised, benefit-aligned effect of 1 is in units of the outcome."""
        return self.benefit * self.scale

    @cached_property
    def padded(self) -> tuple[FloatArray, BoolArray]:
        """z = (X, groups, effects, y standardised and aligned) by unit and visit, and which cells are seen.

        Shapes (n, t, q + g + e + 1) and (n, t); cells that are not seen are zero.
        """
        units = np.unique(self.unit, return_inverse=True)[1]
        groups = np.zeros((len(self.y), self.n_groups))
        if self.group is not None:
            inside = self.group >= 0
            groups[np.flatnonzero(inside), self.group[inside]] = 1.0
        y = self.benefit * (self.y - self.centre) / self.scale
        rows = np.column_stack([self.X, groups, self.effects, y])
        z = np.zeros((int(units.max()) + 1, self.n_visits, rows.shape[1]))
        z[units, self.visit] = rows
        seen = np.zeros(z.shape[:2], dtype=bool)
        seen[units, self.visit] = True
        return z, seen


@dataclass(frozen=True)
class PatternProducts:
    """Cross-products by pattern of observed visits, as `kernels.pattern_loglik` takes them."""

    products: FloatArray
    counts: FloatArray
    observed: FloatArray


def pattern_products(z: FloatArray, seen: BoolArray) -> PatternProducts:
    """Return C[p, j, k] = sum over the units of a pattern of z_ij z_ik'; z (n, t, q), zero where not seen (n, t)."""
    observed, pattern = np.unique(seen, axis=0, return_inverse=True)
    pattern = pattern.reshape(-1)
    products = np.stack([np.einsum("ija,ikb->jkab", z[pattern == p], z[pattern == p]) for p in range(len(observed))])
    counts = np.bincount(pattern, minlength=len(observed)).astype(np.float64)
    return PatternProducts(np.ascontiguousarray(products), counts, observed.astype(np.float64))
