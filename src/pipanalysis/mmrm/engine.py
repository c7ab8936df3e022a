"""Fit a mixed model for repeated measures from arrays."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from scipy.linalg import lapack

from pipanalysis.mmrm.arrays import CodeArray, DesignMatrix, FloatArray
from pipanalysis.mmrm.covariance import CovarianceStructure, SpatialStructure
from pipanalysis.mmrm.crossproducts import Layout, Source, accumulate, lay_out
from pipanalysis.mmrm.errors import InvalidArrays, NonConvergence, UnavailableMethod
from pipanalysis.mmrm.inference import METHODS, ROBUST, Inference, by_contrasts, by_smallest
from pipanalysis.mmrm.kenward_roger import adjusted_covariance, scaled_f
from pipanalysis.mmrm.likelihood import Likelihood, PatternLikelihood, State
from pipanalysis.mmrm.optimise import Control, Outcome, at_the_edge, maximise, nearly_singular
from pipanalysis.mmrm.prepare import check, check_coverage, standardise
from pipanalysis.mmrm.satterthwaite import contrast_df
from pipanalysis.mmrm.spatial_likelihood import SpatialLikelihood, distances

LOG_2PI = float(np.log(2.0 * np.pi))
NEARLY_SINGULAR = 1e-10  # smallest eigenvalue of a correlation matrix, or of an information matrix scaled to one


@dataclass(frozen=True)
class EngineFit:
    """A fit.

    beta (p,): coefficients. theta (k,): working parameters of the covariance, stacked by group. covariances: a (t, t)
    matrix per group (spatial: (2, 2), for two observations at distance 1). neg2_loglik: minus twice the (restricted)
    log-likelihood with every constant, as SAS prints it. status: converged, singular or not converged; `message`
    explains the others.
    """

    beta: FloatArray
    theta: FloatArray
    covariances: list[FloatArray]
    neg2_loglik: float
    reml: bool
    converged: bool
    status: Literal["converged", "singular", "not converged"]
    message: str
    iterations: int
    optimiser: str
    n_subjects: int
    n_obs: int
    n_theta: int
    structure: CovarianceStructure | SpatialStructure
    n_groups: int
    problem: "Problem" = field(repr=False)
    state: State = field(repr=False)
    _cache: dict[str, Inference] = field(default_factory=dict, repr=False)

    # ---- criteria

    @property
    def loglik(self) -> float:
        """The (restricted) log-likelihood."""
        return -0.5 * self.neg2_loglik

    @property
    def _n_parameters(self) -> int:
        """Covariance parameters only under REML, as SAS and R mmrm count; under ML R mmrm counts these alone too."""
        return self.n_theta

    @property
    def aic(self) -> float:
        """Akaike's criterion with the covariance parameters counted."""
        return self.neg2_loglik + 2.0 * self._n_parameters

    @property
    def aicc(self) -> float:
        """Akaike's criterion corrected for small samples; the sample size is n_obs - p under REML, n_obs under ML."""
        n = self.n_obs - (self.beta.size if self.reml else 0)
        n = max(n, self._n_parameters + 2)
        return self.neg2_loglik + 2.0 * self._n_parameters * n / (n - self._n_parameters - 1)

    @property
    def bic(self) -> float:
        """Schwarz's criterion with the number of subjects as sample size."""
        return self.neg2_loglik + float(np.log(self.n_subjects)) * self._n_parameters

    # ---- subjects

    def subject_covariance(self, subject: int) -> FloatArray:
        """Covariance matrix of the observations of the subject with this code, in the order of its visits."""
        return self.problem.subject_covariance(self, subject)

    def covariance_at(self, times: FloatArray, group: int = 0) -> FloatArray:
        """Covariance matrix of observations at coordinates `times` (m, d), for a spatial structure."""
        if not isinstance(self.structure, SpatialStructure):
            raise UnavailableMethod(f"covariance structure {self.structure.name!r} has no coordinates")
        own = self.theta[2 * group : 2 * group + 2]
        return self.structure.matrix(own, distances(np.asarray(times, dtype=float)))

    # ---- inference

    @cached_property
    def beta_vcov(self) -> FloatArray:
        """Covariance matrix (p, p) of beta with that of the observations taken as known: (X' V^-1 X)^-1."""
        transform = self._contrast_scale
        return np.asarray(transform @ self.state.solution.phi @ transform.T)

    @cached_property
    def theta_vcov(self) -> FloatArray:
        """Covariance matrix (k, k) of theta: twice the inverse of the observed information of minus 2 log-likelihood.

        NaN where the information is not positive definite, which happens only where the fit has not converged.
        """
        inverse, info = lapack.dpotrf(self.problem.likelihood.differentiate(self.state).hessian, lower=1)
        if info:
            return np.full(inverse.shape, np.nan)
        inverse, _ = lapack.dpotri(inverse, lower=1)
        return 2.0 * (np.tril(inverse) + np.tril(inverse, -1).T)

    @cached_property
    def _information_derivatives(self) -> FloatArray:
        return self.problem.likelihood.phi_derivatives(self.state)

    @property
    def _contrast_scale(self) -> FloatArray:
        """(p, p) matrix that takes a contrast of beta to one of the engine's own coefficients."""
        return self.problem.source.transform * self.problem.source.scale

    def _satterthwaite(self, L: FloatArray) -> FloatArray:
        return contrast_df(
            L @ self._contrast_scale, self.state.solution.phi, self._information_derivatives, self.theta_vcov
        )

    def inference(self, df: str = "kenward-roger") -> Inference:
        """Covariance of the coefficients and degrees of freedom by one of `inference.METHODS`.

        kenward-roger: second derivatives by the elements of the covariance or SAS's parameters (SAS DDFM=KR).
        kenward-roger-linear: without them. kenward-roger-mmrm: by R mmrm's parameters. Raises UnavailableMethod for
        other names, and for Kenward-Roger under maximum likelihood.
        """
        if df not in METHODS:
            raise UnavailableMethod(f"no method {df!r} for degrees of freedom; there are {', '.join(METHODS)}")
        if df not in self._cache:
            self._cache[df] = self._make_inference(df)
        return self._cache[df]

    def _make_inference(self, df: str) -> Inference:
        if df == "satterthwaite":
            return by_contrasts(df, self.beta, self.beta_vcov, self._satterthwaite)
        if not df.startswith("kenward-roger"):
            return self._by_counting(df, df, self.beta_vcov)
        if not self.reml:
            raise UnavailableMethod("Kenward-Roger is defined for REML only; with maximum likelihood use Satterthwaite")
        coordinates: Any = {"kenward-roger": "natural", "kenward-roger-mmrm": "mmrm"}.get(df)
        P, w, phi = self._information_derivatives, self.theta_vcov, self.state.solution.phi
        adjusted = adjusted_covariance(self.problem.likelihood, self.state, P, w, coordinates)
        transform = self._contrast_scale
        gamma = np.linalg.solve(transform, self.beta)
        return Inference(
            df,
            transform @ adjusted @ transform.T,
            self._satterthwaite,
            lambda L: scaled_f(L @ self._contrast_scale, gamma, phi, adjusted, P, w),
        )

    def _by_counting(self, method: str, df: str, vcov: FloatArray) -> Inference:
        if df == "between-within":
            return by_smallest(method, self.beta, vcov, self.problem.between_within().contrast_df)
        value = np.inf if df == "asymptotic" else float(self.n_obs - self.beta.size)
        return by_smallest(method, self.beta, vcov, lambda L: np.full(len(L), value))

    def robust(self, kind: str = "empirical", df: str = "satterthwaite") -> Inference:
        """Sandwich covariance by subject: empirical (CR0), empirical-bias-reduced (CR2), empirical-jackknife (CR3).

        df: satterthwaite (Bell and McCaffrey 2002, from the working model), between-within, residual or asymptotic.
        """
        from pipanalysis.mmrm.robust import sandwich

        kind = {v.lower(): k for k, v in ROBUST.items()}.get(kind.lower(), kind)
        if kind not in ROBUST:
            raise UnavailableMethod(f"no robust covariance {kind!r}; there are {', '.join(ROBUST)}")
        if df not in METHODS or df.startswith("kenward"):
            raise UnavailableMethod(
                f"robust covariance goes with satterthwaite, between-within or residual, not {df!r}"
            )
        name = f"{kind}+{df}"
        if name not in self._cache:
            result = sandwich(self, kind)
            if df == "satterthwaite":
                self._cache[name] = by_contrasts(name, self.beta, result.vcov, result.contrast_df)
            else:
                self._cache[name] = self._by_counting(name, df, result.vcov)
        return self._cache[name]


@dataclass(frozen=True, slots=True)
class Problem:
    """The data as given and as laid out, and their likelihood in the engine's own units."""

    design: DesignMatrix
    y: FloatArray
    root_weight: FloatArray | None
    times: FloatArray | None
    layout: Layout
    source: Source
    likelihood: Likelihood

    def between_within(self) -> Any:
        """Division of the coefficients for between-within degrees of freedom."""
        from pipanalysis.mmrm.between_within import between_within

        layout = self.layout
        begin = np.repeat(layout.starts[:-1], np.diff(layout.starts))
        if layout.order is None:
            first_row = begin
        else:
            first_row = np.empty_like(begin)
            first_row[layout.order] = layout.order[begin]
        return between_within(self.design.values, first_row, layout.n_subjects)

    def subject_covariance(self, fit: EngineFit, subject: int) -> FloatArray:
        """Covariance matrix of one subject's observations."""
        layout = self.layout
        position = int(np.searchsorted(layout.subjects, subject))
        if position == layout.n_subjects or layout.subjects[position] != subject:
            raise InvalidArrays([f"no subject with code {subject}"])
        rows = layout.subject_rows(position)
        pattern = layout.pattern[position]
        group = int(layout.group[pattern])
        if self.times is not None and isinstance(fit.structure, SpatialStructure):
            sigma = fit.covariance_at(self.times[rows], group)
        else:
            visits = np.flatnonzero(layout.observed[pattern])
            sigma = fit.covariances[group][np.ix_(visits, visits)]
        if self.root_weight is None:
            return sigma
        root = self.root_weight[rows]
        return sigma / np.multiply.outer(root, root)


def fit_arrays(
    X: FloatArray | DesignMatrix,
    y: FloatArray,
    subject: CodeArray,
    visit: CodeArray,
    *,
    n_visits: int,
    structure: CovarianceStructure | SpatialStructure,
    group: CodeArray | None = None,
    n_groups: int = 1,
    weights: FloatArray | None = None,
    reml: bool = True,
    times: FloatArray | None = None,
    start: FloatArray | None = None,
    control: Control | None = None,
    labels: Mapping[str, Sequence[str]] | None = None,
) -> EngineFit:
    """Fit y = X beta + e by (restricted) maximum likelihood, with e correlated within subjects.

    X (n, p) of full column rank, which the fit lets go if it is a DesignMatrix that can make it again; y (n,);
    subject (n,) codes; visit (n,) codes 0..n_visits-1, no two rows of a subject alike; group (n,) codes
    0..n_groups-1, constant within subjects; weights (n,) positive, which divide the variance; times (n, d) coordinates
    for a spatial structure. start: working parameters. labels: what messages call each "visit" (of a direct product
    each "member" too) and "group", in the order of their codes.

    Raises InvalidArrays, SingularData, or NonConvergence where not even a start has a likelihood; otherwise see
    `EngineFit.status`.
    """
    control = Control() if control is None else control
    design = X if isinstance(X, DesignMatrix) else DesignMatrix(np.asarray(X, dtype=float))
    y, subject, visit, group, weights, times = check(
        design.values, y, subject, visit, n_visits, structure, group, n_groups, weights, times
    )
    n, p = design.values.shape
    layout = lay_out(subject, visit, n_visits, group)
    root = None if weights is None else np.sqrt(weights)
    source, log_det = standardise(design, y, root)
    constant = (n - p if reml else n) * (LOG_2PI + 2.0 * np.log(source.scale)) - (2.0 * log_det if reml else 0.0)
    if weights is not None:
        constant -= float(np.log(weights).sum())
    likelihood: Any
    if isinstance(structure, SpatialStructure):
        assert times is not None
        likelihood = SpatialLikelihood(layout, source, times, structure, n_groups, reml=reml, constant=constant)
    else:
        check_coverage(layout, structure, n_groups, labels or {})
        data = accumulate(layout, source)
        likelihood = PatternLikelihood(data, structure, n_groups, reml=reml, constant=constant)
    design.release()
    outcome = maximise(likelihood, lambda: _starts(likelihood, start, source.scale), control)
    if outcome is None:
        raise NonConvergence("the likelihood cannot be evaluated at any start: the data are singular or nearly so")
    problem = Problem(design, y, root, times, layout, source, likelihood)
    return _finish(problem, outcome, structure, n_groups)


def _starts(likelihood: Any, start: FloatArray | None, scale: float) -> Iterator[FloatArray]:
    """Working parameters in the engine's units: the caller's, then the likelihood's own."""
    structure: CovarianceStructure | SpatialStructure = likelihood.structure
    if start is not None:
        start = np.asarray(start, dtype=float)
        if start.shape != (likelihood.n_theta,):
            raise InvalidArrays([f"start has shape {start.shape}, not ({likelihood.n_theta},)"])
        yield np.concatenate([structure.rescaled(part, -np.log(scale)) for part in likelihood.split(start)])
    yield from likelihood.starts()


def _finish(
    problem: Problem, outcome: Outcome, structure: CovarianceStructure | SpatialStructure, n_groups: int
) -> EngineFit:
    likelihood: Any = problem.likelihood
    state, source = outcome.state, problem.source
    status: Any = "converged" if outcome.converged else "not converged"
    message = outcome.message
    theta = np.concatenate([structure.rescaled(part, np.log(source.scale)) for part in likelihood.split(state.theta)])
    covariances = likelihood.covariances(theta)
    if status == "converged":
        message = _singularity(outcome.derivatives.hessian, covariances)
        status = "singular" if message else status
    elif not outcome.converged and (why := at_the_edge(covariances)):
        message = f"{message}; {why}"
    return EngineFit(
        beta=source.offset + source.transform * source.scale @ state.solution.gamma,
        theta=theta,
        covariances=covariances,
        neg2_loglik=float(state.value),
        reml=likelihood.reml,
        converged=status == "converged",
        status=status,
        message=message,
        iterations=outcome.iterations,
        optimiser=outcome.optimiser,
        n_subjects=problem.layout.n_subjects,
        n_obs=problem.y.size,
        n_theta=likelihood.n_theta,
        structure=structure,
        n_groups=n_groups,
        problem=problem,
        state=state,
    )


def _singularity(hessian: FloatArray, covariances: list[FloatArray]) -> str:
    """Say what is nearly singular, or nothing."""
    root = np.sqrt(np.diagonal(hessian))
    if np.linalg.eigvalsh(hessian / np.multiply.outer(root, root))[0] < NEARLY_SINGULAR:
        return "the information of the covariance parameters is nearly singular: the data hardly determine them"
    return nearly_singular(covariances, NEARLY_SINGULAR)


__all__ = ["Control", "EngineFit", "Inference", "fit_arrays"]
