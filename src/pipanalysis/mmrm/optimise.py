"""Maximise the likelihood: Newton steps with exact derivatives, and what to do where they fail."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import lapack

from pipanalysis.mmrm.arrays import FloatArray
from pipanalysis.mmrm.likelihood import Derivatives, Likelihood


@dataclass(frozen=True, slots=True)
class Control:
    """How to fit.

    tolerance: squared Newton decrement of minus twice the log-likelihood at which a fit has converged; at 1e-7
    the covariance parameters are within 1e-3 of their standard errors, and one more step squares that.
    max_iterations: Newton steps from each start.
    optimisers: tried in turn until one converges, out of newton, bfgs, l-bfgs-b and nelder-mead; the result of the
    others is finished by Newton steps.
    """

    tolerance: float = 1e-7
    max_iterations: int = 100
    optimisers: tuple[str, ...] = ("newton", "bfgs", "l-bfgs-b", "nelder-mead")


@dataclass(frozen=True, slots=True)
class Outcome:
    """Where the optimiser ended; `message` says why it stopped if it did not converge."""

    state: Any
    derivatives: Derivatives
    converged: bool
    message: str
    iterations: int
    optimiser: str


LONGEST = 3.0  # of a step, per parameter: the working parameters are logarithms and Fisher-z-like scores
SUFFICIENT = 1e-4
HALVINGS = 40
STALLED = 5  # steps in a row that change the likelihood by rounding only
SINGULAR = 1e-7  # smallest eigenvalue of a correlation matrix that is no longer taken for positive
VANISHING = 1e-7  # standard deviation of a visit over the largest one: its square is lost in rounding


def maximise(likelihood: Likelihood, starts: Callable[[], Iterator[FloatArray]], control: Control) -> Outcome | None:
    """Maximise from the first start that succeeds; None where no start has a likelihood.

    `starts` gives the starts in turn: a later one costs nothing unless it is needed.

    Each optimiser is tried from each start; the best point reached counts when none converges. Where that is at the
    edge of the positive definite matrices the likelihood has no maximum, and the other optimisers are not tried.
    """
    best: Outcome | None = None
    for optimiser in control.optimisers:
        for start in starts():
            outcome = _run(likelihood, optimiser, start, control)
            if outcome is None:
                continue
            if outcome.converged:
                return outcome
            if best is None or outcome.state.value < best.state.value:
                best = outcome
        if best is not None and at_the_edge(likelihood.covariances(best.state.theta)):
            break
    return best


def at_the_edge(covariances: Sequence[FloatArray]) -> str:
    """Say in what way one of the matrices is hardly positive definite, or nothing."""
    for sigma in covariances:
        sd = np.sqrt(np.diagonal(sigma))
        if sd.min() < VANISHING * sd.max():
            return "the variance at a visit goes to zero: the fixed effects fit its responses without error"
    return nearly_singular(covariances, SINGULAR)


def nearly_singular(covariances: Sequence[FloatArray], smallest: float) -> str:
    """Say whether a correlation matrix has an eigenvalue below `smallest`, or nothing."""
    for sigma in covariances:
        sd = np.sqrt(np.diagonal(sigma))
        if np.linalg.eigvalsh(sigma / np.multiply.outer(sd, sd))[0] < smallest:
            return (
                "the estimated covariance matrix is nearly singular: some visits are combinations of others, "
                "or too few subjects have them all"
            )
    return ""


def _run(likelihood: Likelihood, optimiser: str, start: FloatArray, control: Control) -> Outcome | None:
    if optimiser == "newton":
        return newton(likelihood, start, control, optimiser)
    from scipy.optimize import minimize as scipy_minimize

    minimize: Any = scipy_minimize

    def objective(theta: FloatArray) -> tuple[float, FloatArray]:
        state = likelihood.evaluate(theta)
        if state is None:
            return 1e300, np.zeros_like(theta)
        return state.value, likelihood.differentiate(state).gradient

    if likelihood.evaluate(start) is None:
        return None
    gradient = optimiser != "nelder-mead"
    function: Any = objective if gradient else lambda theta: objective(theta)[0]
    with np.errstate(all="ignore"):
        found = minimize(function, start, jac=gradient, method=optimiser, options={"maxiter": 500 * len(start)})
    return newton(likelihood, np.asarray(found.x), control, optimiser)


def newton(likelihood: Likelihood, start: FloatArray, control: Control, name: str = "newton") -> Outcome | None:
    """Newton steps with step halving; expected information where the observed is not positive definite."""
    state = likelihood.evaluate(start)
    if state is None:
        return None
    message = f"no convergence in {control.max_iterations} iterations"
    iteration = stalled = 0
    while True:
        derivatives = likelihood.differentiate(state)
        step, is_newton = _direction(derivatives, scoring=iteration == 0)
        decrement = float(derivatives.gradient @ step)
        if decrement <= control.tolerance and not is_newton:
            step, is_newton = _direction(derivatives, scoring=False)
            decrement = float(derivatives.gradient @ step)
        if decrement <= control.tolerance and is_newton:
            last = likelihood.evaluate(state.theta - step)
            if last is not None and last.value <= state.value + 1e-13 * abs(state.value):
                state = last
            return Outcome(state, derivatives, True, "", iteration + 1, name)
        if iteration >= control.max_iterations:
            break
        if stalled == STALLED:
            message = "steps no longer improve the likelihood, but its gradient is not zero"
            break
        size = min(1.0, LONGEST / float(np.abs(step).max()))
        slack = 1e-13 * abs(state.value)
        for _ in range(HALVINGS):
            trial = likelihood.evaluate(state.theta - size * step)
            if trial is not None and trial.value <= state.value - SUFFICIENT * size * decrement + slack:
                break
            size *= 0.5
        else:
            message = "no step improves the likelihood"
            break
        stalled = stalled + 1 if trial.value >= state.value - slack else 0
        state = trial
        iteration += 1
    return Outcome(state, derivatives, False, message, iteration, name)


def _direction(derivatives: Derivatives, *, scoring: bool) -> tuple[FloatArray, bool]:
    """Newton direction, and whether it is that of the observed information."""
    for newton_step in (not scoring, scoring):
        matrix = derivatives.hessian if newton_step else derivatives.expected
        _, step, info = lapack.dposv(matrix, derivatives.gradient, lower=1)
        if info == 0 and np.isfinite(step).all():
            return step, newton_step
    # neither is positive definite: damp the expected information until it is
    diagonal = np.maximum(np.abs(np.diagonal(derivatives.expected)), 1e-8)
    damping = 1e-6
    while damping < 1e12:
        damped = derivatives.expected + np.diag(damping * diagonal)
        _, step, info = lapack.dposv(damped, derivatives.gradient, lower=1)
        if info == 0 and np.isfinite(step).all():
            return step, False
        damping *= 10.0
    return derivatives.gradient, False
