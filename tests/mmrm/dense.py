"""The textbook formulas of the model with dense matrices, as the tests' own yardstick of the engine.

The covariances of `matrices` take complex parameters, so that first derivatives are complex steps (exact to rounding);
second ones are Richardson-extrapolated central differences of these, in error by less than 1e-10 of the largest.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from pipanalysis.mmrm.covariance import make_structure
from pipanalysis.mmrm.engine import EngineFit, fit_arrays

from .matrices import (
    DIMS,
    Array,
    mmrm,
    mmrm_values,
    natural,
    natural_values,
    spatial_natural,
    spatial_natural_values,
    spatial_working,
    working,
)

STRUCTURES = ("us", "cs", "csh", "ar1", "ar1h", "toep", "toeph", "ad", "adh", "un@un", "un@cs", "un@ar1")
SPATIAL = ("sp_exp", "sp_gau")


# ---- derivatives


def complex_step(function: Callable[[Array], Array], at: Array) -> Array:
    """First derivatives, the parameter first."""
    steps = 1e-30j * np.eye(at.size)
    return np.array([np.imag(function(at + step)) / 1e-30 for step in steps])


def richardson(function: Callable[[Array], Array], at: Array, h: float = 0.02) -> Array:
    """First derivatives of a real function, the parameter first; the error is of the order of h to the sixth."""
    result = []
    for unit in np.eye(at.size):
        a, b, c = ((function(at + s * unit) - function(at - s * unit)) / (2.0 * s) for s in (h, 0.5 * h, 0.25 * h))
        first, second = (4.0 * b - a) / 3.0, (4.0 * c - b) / 3.0
        result.append((16.0 * second - first) / 15.0)
    return np.array(result)


# ---- the model


@dataclass(frozen=True)
class Dense:
    """A data set with a covariance structure; the parameters of the groups are stacked."""

    name: str
    t: int
    X: Array
    y: Array
    subject: Array
    visit: Array
    group: Array
    weights: Array
    times: Array
    n_groups: int
    reml: bool

    @cached_property
    def together(self) -> Array:
        return self.subject[:, None] == self.subject

    @cached_property
    def distance(self) -> Array:
        return np.abs(self.times[:, None] - self.times)

    @cached_property
    def root(self) -> Array:
        return np.sqrt(np.multiply.outer(self.weights, self.weights))

    def covariance(self, theta: Array, how: Any = None) -> Array:
        """Covariance matrix of all observations, (n, n)."""
        parts = np.split(theta, self.n_groups)
        if self.name in SPATIAL:
            form = spatial_working if how is None else how
            same = np.stack([(form(self.name, part, self.distance)) for part in parts])
            full = np.take_along_axis(same, self.group[None, :, None], axis=0)[0]
        else:
            form = working if how is None else how
            sigma = np.zeros((self.n_groups * self.t, self.n_groups * self.t), dtype=theta.dtype)
            for g, part in enumerate(parts):
                own = slice(g * self.t, (g + 1) * self.t)
                sigma[own, own] = form(self.name, part, self.t)
            cell = self.group * self.t + self.visit
            full = sigma[np.ix_(cell, cell)]
        return np.where(self.together, full, 0.0) / self.root

    def neg2_loglik(self, theta: Array) -> Any:
        """Minus twice the (restricted) log-likelihood, subject by subject."""
        V = self.covariance(theta)
        p = self.X.shape[1]
        A, b, yy, log_det = np.zeros((p, p)), np.zeros(p), 0.0, 0.0
        for i in np.unique(self.subject):
            rows = self.subject == i
            own = V[np.ix_(rows, rows)]
            X, y = self.X[rows], self.y[rows]
            WX, Wy = np.linalg.solve(own, X), np.linalg.solve(own, y)
            A, b, yy = A + X.T @ WX, b + X.T @ Wy, yy + y @ Wy
            log_det = log_det + np.log(np.linalg.det(own))
        value = log_det + yy - b @ np.linalg.solve(A, b) + self.y.size * np.log(2.0 * np.pi)
        return value + np.log(np.linalg.det(A)) - p * np.log(2.0 * np.pi) if self.reml else value

    def projection(self, V: Array) -> tuple[Array, Array, Array]:
        """W = V^-1, Phi = (X'WX)^-1 and P = W - W X Phi X'W."""
        W = np.linalg.inv(V)
        WX = W @ self.X
        phi = np.linalg.inv(self.X.T @ WX)
        return W, phi, W - WX @ phi @ WX.T

    def first(self, theta: Array, how: Any = None) -> Array:
        return complex_step(lambda x: self.covariance(x, how), theta)

    def gradient(self, theta: Array) -> Array:
        """tr(M V_a) - y'P V_a P y with M = P (REML) or W."""
        W, _, P = self.projection(self.covariance(theta))
        V_a = self.first(theta)
        r = P @ self.y
        return np.einsum("aij,ij->a", V_a, (P if self.reml else W) - np.outer(r, r))

    def hessian(self, theta: Array) -> Array:
        return richardson(self.gradient, theta)

    def expected(self, theta: Array) -> Array:
        """tr(M V_a M V_b)."""
        W, _, P = self.projection(self.covariance(theta))
        product = (P if self.reml else W) @ self.first(theta)
        return np.einsum("aij,bji->ab", product, product)

    # ---- inference at the fitted parameters

    def values(self, fit: EngineFit, how: Any) -> Array:
        """Fitted parameters in another parametrisation."""
        parts = np.split(fit.theta, self.n_groups)
        if how is spatial_natural:
            return np.concatenate([spatial_natural_values(self.name, part) for part in parts])
        if how is natural:
            return np.concatenate([natural_values(self.name, sigma) for sigma in fit.covariances])
        if how is mmrm:
            pairs = zip(fit.covariances, parts, strict=True)
            return np.concatenate([mmrm_values(self.name, sigma, part) for sigma, part in pairs])
        return fit.theta

    def kenward_roger(self, fit: EngineFit, how: Any, linear: bool = False) -> Array:
        """Adjusted covariance of the coefficients by Kenward and Roger (1997), sums over pairs of parameters."""
        at = self.values(fit, how)
        W, phi, _ = self.projection(self.covariance(at, how))
        V_a = self.first(at, how)
        k = at.size
        old = self.first(fit.theta)
        jacobian = np.linalg.lstsq(V_a.reshape(k, -1).T, old.reshape(k, -1).T, rcond=None)[0]
        w = jacobian @ fit.theta_vcov @ jacobian.T
        WX = W @ self.X
        VWX = V_a @ WX
        P = -np.einsum("ip,aiq->apq", WX, VWX)
        Q = np.einsum("aip,ij,bjq->abpq", VWX, W, VWX, optimize=True)
        inner = np.einsum("ab,abpq->pq", w, Q) - np.einsum("ab,apq,qr,brs->ps", w, P, phi, P, optimize=True)
        if not linear:
            scale = np.where(np.abs(at) > 1e-3, np.abs(at), 1.0)
            second = richardson(lambda u: self.first(u * scale, how), at / scale) / scale[:, None, None, None]
            inner = inner - 0.25 * np.einsum("ab,ip,abij,jq->pq", w, WX, second, WX, optimize=True)
        return phi + 2.0 * phi @ inner @ phi

    def satterthwaite(self, fit: EngineFit, contrast: Array) -> float:
        """2 v^2 / (g' w g) with g the gradient of the variance v of the contrast."""

        def variance(theta: Array) -> Any:
            return contrast @ np.linalg.solve(self.X.T @ np.linalg.solve(self.covariance(theta), self.X), contrast)

        g = complex_step(variance, fit.theta)
        return float(2.0 * variance(fit.theta) ** 2 / (g @ fit.theta_vcov @ g))

    def fit(self, **options: Any) -> EngineFit:
        spatial = self.name in SPATIAL
        return fit_arrays(
            self.X,
            self.y,
            self.subject,
            self.visit,
            n_visits=self.t,
            structure=make_structure(self.name, self.t, DIMS if "@" in self.name else None),
            group=self.group if self.n_groups > 1 else None,
            n_groups=self.n_groups,
            weights=None if np.all(self.weights == 1.0) else self.weights,
            reml=self.reml,
            times=self.times[:, None] if spatial else None,
            **options,
        )


def trial(
    name: str,
    *,
    reml: bool = True,
    grouped: bool = False,
    weighted: bool = False,
    n: int = 28,
    missing: float = 0.2,
    seed: int = 7,
) -> Dense:
    """A data set for a structure, with missing patterns; every subject has an observation."""
    rng = np.random.default_rng(seed)
    t = DIMS[0] * DIMS[1] if "@" in name else 4
    lag = np.abs(np.subtract.outer(np.arange(t), np.arange(t)))
    sd = np.linspace(2.0, 3.0, t)
    errors = rng.standard_normal((n, t)) @ np.linalg.cholesky(np.outer(sd, sd) * (0.3 + 0.7 * 0.5**lag) - 0.0).T
    observed = rng.uniform(size=(n, t)) >= missing
    observed[:, 0] |= ~observed.any(axis=1)
    subject, visit = np.nonzero(observed)
    arm, base = (np.arange(n) % 2)[subject], rng.normal(1.0, 2.0, n)[subject]
    dummies = (visit[:, None] == np.arange(1, t)).astype(float)
    X = np.column_stack([np.ones(subject.size), dummies, arm, arm * visit, base])
    y = 5.0 + 0.5 * base + visit - arm + errors[subject, visit]
    return Dense(
        name,
        t,
        X,
        y,
        subject,
        visit,
        arm if grouped else np.zeros_like(arm),
        rng.uniform(0.5, 2.0, subject.size) if weighted else np.ones(subject.size),
        visit + rng.uniform(0.0, 0.5, subject.size),
        2 if grouped else 1,
        reml,
    )
