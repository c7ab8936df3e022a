"""Correlation shapes and the maps that make their parameters unconstrained."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from pipanalysis.mmrm.arrays import FloatArray

BOUND = 0.95  # correlations of start values stay this far inside


@dataclass(frozen=True)
class Jet:
    """A function with its derivatives: value (...), first (k, ...), second (k, k, ...)."""

    value: FloatArray
    first: FloatArray
    second: FloatArray


class Shape(ABC):
    """Correlation matrices (t, t) with correlation parameters rho, shape (m,)."""

    def __init__(self, n_visits: int) -> None:
        self.n_visits = n_visits

    @property
    @abstractmethod
    def size(self) -> int:
        """Number of correlation parameters."""

    @abstractmethod
    def correlation(self, rho: FloatArray) -> Jet:
        """Matrix and derivatives by rho."""

    @abstractmethod
    def parameters(self, correlation: FloatArray) -> FloatArray:
        """Correlation parameters of a member; for other correlation matrices, of one near it."""

    # The map of R mmrm from the real line to (-1, 1): x / sqrt(1 + x^2).

    def bounded(self, x: FloatArray) -> Jet:
        """Correlation parameters from unbounded ones, parameter by parameter: value, first, second all (m,)."""
        r = 1.0 / np.sqrt(1.0 + x * x)
        return Jet(x * r, r**3, -3.0 * x * r**5)

    def unbounded(self, rho: FloatArray) -> FloatArray:
        """Inverse of `bounded`."""
        return rho / np.sqrt(1.0 - rho * rho)

    def free(self, x: FloatArray) -> Jet:
        """Correlation matrix from working parameters that guarantee positive definiteness."""
        inner = self.bounded(x)
        outer = self.correlation(inner.value)
        first = outer.first * inner.first[:, None, None]
        second = outer.second * np.multiply.outer(inner.first, inner.first)[:, :, None, None]
        diagonal = np.arange(x.size)
        second[diagonal, diagonal] += outer.first * inner.second[:, None, None]
        return Jet(outer.value, first, second)

    def to_free(self, rho: FloatArray) -> FloatArray:
        """Working parameters of correlation parameters, which are first drawn inside the positive definite region."""
        return self.unbounded(np.clip(rho, -BOUND, BOUND))


class CompoundSymmetry(Shape):
    """One correlation, above -1 / (t - 1)."""

    size = 1

    def __init__(self, n_visits: int) -> None:
        super().__init__(n_visits)
        self.lower = -1.0 / max(n_visits - 1, 1)
        self._first = (1.0 - np.eye(n_visits))[None]
        self._second = np.zeros((1, 1, n_visits, n_visits))

    def correlation(self, rho: FloatArray) -> Jet:
        """Matrix and derivatives by rho."""
        return Jet(np.eye(self.n_visits) + rho[0] * self._first[0], self._first, self._second)

    def parameters(self, correlation: FloatArray) -> FloatArray:
        """Mean of the correlations."""
        t = self.n_visits
        return np.array([(correlation.sum() - t) / max(t * (t - 1), 1)])

    def bounded(self, x: FloatArray) -> Jet:
        """Logistic map to (-1 / (t - 1), 1)."""
        with np.errstate(over="ignore"):
            logistic = 1.0 / (1.0 + np.exp(-x))
        slope = (1.0 - self.lower) * logistic * (1.0 - logistic)
        return Jet(self.lower + (1.0 - self.lower) * logistic, slope, slope * (1.0 - 2.0 * logistic))

    def unbounded(self, rho: FloatArray) -> FloatArray:
        """Inverse of `bounded`."""
        return np.log((rho - self.lower) / (1.0 - rho))

    def to_free(self, rho: FloatArray) -> FloatArray:
        """Working parameter."""
        return self.unbounded(np.clip(rho, BOUND * self.lower, BOUND))


class Autoregressive(Shape):
    """Correlation rho^|j - k|."""

    size = 1

    def __init__(self, n_visits: int) -> None:
        super().__init__(n_visits)
        visit = np.arange(n_visits)
        self.lag = np.abs(visit[:, None] - visit)

    def correlation(self, rho: FloatArray) -> Jet:
        """Matrix and derivatives by rho."""
        lag, r = self.lag, rho[0]
        first = lag * r ** np.maximum(lag - 1, 0)
        second = lag * (lag - 1) * r ** np.maximum(lag - 2, 0)
        return Jet(r ** lag.astype(float) if r > 0 else r**lag, first[None], second[None, None])

    def parameters(self, correlation: FloatArray) -> FloatArray:
        """Mean of the correlations of neighbouring visits."""
        if self.n_visits == 1:
            return np.zeros(1)
        return np.array([np.diagonal(correlation, 1).mean()])


class Toeplitz(Shape):
    """A correlation for each lag; working parameters are partial autocorrelations."""

    def __init__(self, n_visits: int) -> None:
        super().__init__(n_visits)
        visit = np.arange(n_visits)
        lag = np.abs(visit[:, None] - visit)
        self._first = (lag == np.arange(1, n_visits)[:, None, None]).astype(float)
        self._second = np.zeros((self.size, self.size, n_visits, n_visits))

    @property
    def size(self) -> int:
        """Number of lags."""
        return self.n_visits - 1

    def correlation(self, rho: FloatArray) -> Jet:
        """Matrix and derivatives by rho."""
        value = np.eye(self.n_visits) + np.tensordot(rho, self._first, 1)
        return Jet(value, self._first, self._second)

    def parameters(self, correlation: FloatArray) -> FloatArray:
        """Mean correlation at each lag."""
        return np.array([np.diagonal(correlation, lag).mean() for lag in range(1, self.n_visits)])

    def free(self, x: FloatArray) -> Jet:
        """Correlation matrix from partial autocorrelations x / sqrt(1 + x^2): positive definite for every x."""
        inner = self.bounded(x)
        rho = autocorrelations(inner.value)
        second = rho.second * np.multiply.outer(inner.first, inner.first)[:, :, None]
        diagonal = np.arange(x.size)
        second[diagonal, diagonal] += rho.first * inner.second[:, None]
        first = rho.first * inner.first[:, None]
        value = np.eye(self.n_visits) + np.tensordot(rho.value, self._first, 1)
        return Jet(value, np.tensordot(first, self._first, 1), np.tensordot(second, self._first, 1))

    def to_free(self, rho: FloatArray) -> FloatArray:
        """Working parameters; partial autocorrelations outside the bounds are drawn in."""
        return self.unbounded(partial_autocorrelations(rho))


class AnteDependence(Shape):
    """First-order ante-dependence: the correlation is the product of those of the neighbouring visits between."""

    @property
    def size(self) -> int:
        """Number of neighbouring pairs."""
        return self.n_visits - 1

    def correlation(self, rho: FloatArray) -> Jet:
        """Matrix and derivatives by rho."""
        t, m = self.n_visits, self.size
        lower = np.eye(t)  # lower[i, j] = rho_j ... rho_(i - 1) for i >= j, and 0 above the diagonal
        for i in range(1, t):
            lower[i, :i] = lower[i - 1, :i] * rho[i - 1]
        a = np.arange(m)
        # without factor a: lower[i, a + 1] lower[a, j], which is 0 unless j <= a < i
        first = lower[:, a + 1].T[:, :, None] * lower[a][:, None, :]
        # without factors a < b: lower[i, b + 1] lower[b, a + 1] lower[a, j]
        between = np.where(a[:, None] < a, lower[a[None, :], a[:, None] + 1], 0.0)
        second = lower[:, a + 1].T[None, :, :, None] * between[:, :, None, None] * lower[a][:, None, None, :]
        second = second + second.transpose(1, 0, 2, 3)
        return Jet(
            lower + np.tril(lower, -1).T,
            first + first.transpose(0, 2, 1),
            second + second.transpose(0, 1, 3, 2),
        )

    def parameters(self, correlation: FloatArray) -> FloatArray:
        """Correlations of neighbouring visits."""
        return np.diagonal(correlation, 1).copy()


def autocorrelations(partial: FloatArray) -> Jet:
    """Autocorrelations at lags 1..m from partial ones, with derivatives (Durbin-Levinson recursion).

    value (m,), first (m, m) and second (m, m, m) with the parameter axes first.
    """
    m = partial.size
    value, first, second = np.zeros(m), np.zeros((m, m)), np.zeros((m, m, m))
    zero = (np.zeros(m), np.zeros((m, m)))
    unit = np.eye(m)
    # Scalars with gradient and Hessian: triples (value, (m,), (m, m)).
    type_one = (1.0, *zero)
    variance = type_one
    coefficients: list[tuple[float, FloatArray, FloatArray]] = []
    rho: list[tuple[float, FloatArray, FloatArray]] = []
    for k in range(m):
        pi = (float(partial[k]), unit[k], zero[1])
        total = _times(pi, variance)
        for i in range(k):
            total = _plus(total, _times(coefficients[i], rho[k - 1 - i]))
        rho.append(total)
        value[k], first[:, k], second[:, :, k] = total
        coefficients = [_plus(coefficients[i], _times(pi, coefficients[k - 1 - i]), -1.0) for i in range(k)] + [pi]
        variance = _times(variance, _plus(type_one, _times(pi, pi), -1.0))
    return Jet(value, first, second)


def partial_autocorrelations(rho: FloatArray) -> FloatArray:
    """Inverse of `autocorrelations`; values outside (-0.95, 0.95) are drawn in, with what follows from them."""
    m = rho.size
    partial = np.zeros(m)
    coefficients = np.zeros(0)
    variance = 1.0
    used = np.zeros(0)
    for k in range(m):
        predicted = float(coefficients @ used[::-1]) if k else 0.0
        partial[k] = np.clip((rho[k] - predicted) / variance, -BOUND, BOUND)
        used = np.append(used, predicted + partial[k] * variance)
        coefficients = np.append(coefficients - partial[k] * coefficients[::-1], partial[k])
        variance *= 1.0 - partial[k] ** 2
    return partial


type _Scalar = tuple[float, FloatArray, FloatArray]


def _times(a: _Scalar, b: _Scalar) -> _Scalar:
    cross = np.multiply.outer(a[1], b[1])
    return a[0] * b[0], a[0] * b[1] + b[0] * a[1], a[0] * b[2] + b[0] * a[2] + cross + cross.T


def _plus(a: _Scalar, b: _Scalar, sign: float = 1.0) -> _Scalar:
    return a[0] + sign * b[0], a[1] + sign * b[1], a[2] + sign * b[2]
