"""A fitted model, and what can be asked of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from pipanalysis.mmrm import anova
from pipanalysis.mmrm.arrays import FloatArray, IntArray
from pipanalysis.mmrm.design import Design
from pipanalysis.mmrm.distributions import t_quantile, t_two_sided
from pipanalysis.mmrm.emmeans import MarginalMeans, Over, Weights, find_target, mean_contrasts
from pipanalysis.mmrm.engine import EngineFit
from pipanalysis.mmrm.frame import ModelFrame
from pipanalysis.mmrm.inference import METHODS, ROBUST
from pipanalysis.mmrm.linear import Covariance, FTest, LinearFunctions, TTest, contrast_matrix, test_linear
from pipanalysis.mmrm.problems import OptionError, checked_level
from pipanalysis.mmrm.structure_names import STRUCTURE_NAMES

if TYPE_CHECKING:
    import pandas as pd

    from pipanalysis.mmrm.compare import LikelihoodRatio
    from pipanalysis.mmrm.model import MMRM


@dataclass(frozen=True, slots=True)
class Attempt:
    """One structure that was tried: whether it converged, and what the optimiser said."""

    covariance: str
    converged: bool
    message: str

    @property
    def note(self) -> str:
        """What became of a structure that did not converge, in words."""
        return f"{STRUCTURE_NAMES[self.covariance]} covariance did not converge: {self.message}"


@dataclass(frozen=True, repr=False)
class MMRMFit:
    """A fitted model.

    names: terms with an estimate; aliased: columns left out because earlier ones determine them. attempts: the
    structures tried. notes: everything that was left out or replaced, in words.
    """

    model: "MMRM"
    frame: ModelFrame
    design: Design
    engine: EngineFit
    attempts: tuple[Attempt, ...]
    kept: IntArray = field(repr=False)
    null: FloatArray = field(repr=False)

    def __repr__(self) -> str:
        method = "REML" if self.reml else "ML"
        state = "converged" if self.converged else "NOT CONVERGED"
        return (
            f"MMRMFit({self.design.formula.text!r}, {self.structure}, {method}, {self.n_subjects} subjects, "
            f"{self.n_obs} observations, deviance {self.deviance:.4f}, {state})"
        )

    # ---- what was fitted

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the estimated coefficients, as R gives them."""
        return tuple(self.design.names[i] for i in self.kept)

    @property
    def aliased(self) -> tuple[str, ...]:
        """Columns of the design that earlier columns determine, without an estimate."""
        return tuple(name for i, name in enumerate(self.design.names) if i not in set(self.kept.tolist()))

    @property
    def aliased_parts(self) -> tuple[tuple[str, ...], ...]:
        """The parts of these columns' names, one a factor of the product."""
        return tuple(parts for i, parts in enumerate(self.design.parts) if i not in set(self.kept.tolist()))

    @property
    def X(self) -> FloatArray:  # noqa: N802
        """Design matrix of the complete rows, a column for each of `names`; made again where the fit let it go."""
        return self.engine.problem.design.values

    @property
    def beta(self) -> FloatArray:
        """Coefficients, in the order of `names`."""
        return self.engine.beta

    @property
    def structure(self) -> str:
        """The covariance structure of the fit: the one asked for, or the fallback that converged."""
        return self.attempts[-1].covariance

    @property
    def converged(self) -> bool:
        """Whether the optimiser met its criteria."""
        return bool(self.engine.converged)

    @property
    def reml(self) -> bool:
        """Whether the likelihood is the restricted one."""
        return self.model.reml

    @property
    def n_subjects(self) -> int:
        """Subjects with at least one complete row."""
        return self.frame.n_subjects

    @property
    def n_obs(self) -> int:
        """Complete rows."""
        return self.frame.n

    @property
    def n_dropped(self) -> Mapping[str, int]:
        """Rows with a missing value, per variable of the formula (a row may count for several)."""
        return self.frame.n_dropped

    @property
    def visits(self) -> tuple[str, ...]:
        """Levels of the visit that were observed."""
        return self.frame.visit.levels

    @property
    def cells(self) -> tuple[str, ...]:
        """Names of the rows of the covariance matrix: visits, or member:visit."""
        return self.frame.cells

    @property
    def notes(self) -> tuple[str, ...]:
        """What was left out or replaced."""
        notes = list(self.frame.notes)
        if self.aliased:
            notes.append(f"aliased with earlier columns and left out: {', '.join(self.aliased)}")
        return (*notes, *(attempt.note for attempt in self.attempts if not attempt.converged))

    @property
    def deviance(self) -> float:
        """Minus twice the (restricted) log-likelihood with all constants."""
        return float(self.engine.neg2_loglik)

    @property
    def loglik(self) -> float:
        """The (restricted) log-likelihood with all constants."""
        return -0.5 * self.deviance

    @property
    def aic(self) -> float:
        """Akaike's criterion; under REML it counts the covariance parameters only, as SAS and R do."""
        return float(self.engine.aic)

    @property
    def aicc(self) -> float:
        """Akaike's criterion corrected for small samples."""
        return float(self.engine.aicc)

    @property
    def bic(self) -> float:
        """Schwarz's criterion with the number of subjects as sample size."""
        return float(self.engine.bic)

    @cached_property
    def covariance(self) -> "pd.DataFrame | dict[str, pd.DataFrame]":
        """Covariance matrix of a subject's observations by visit; a matrix per level where grouped."""
        import pandas as pd

        labels = list(self.cells)
        matrices = [pd.DataFrame(m, index=labels, columns=labels) for m in self.engine.covariances]
        return matrices[0] if self.frame.group is None else dict(zip(self.frame.group.levels, matrices, strict=True))

    def covariance_intervals(self, level: float = 0.95) -> "pd.DataFrame":
        """Variances, standard deviations and correlations of the visits with confidence limits, by group.

        Normal limits by the delta method for the logarithm of a variance and for Fisher's z of a correlation. Returns
        group, parameter (variance, sd, correlation), visit, other_visit, estimate, lower, upper; text is empty where it
        does not apply. Raises UnavailableMethod for a spatial structure.
        """
        from pipanalysis.mmrm.diagnostics import covariance_table

        return covariance_table(self, level)

    def likelihood_ratio(self, other: "MMRMFit") -> "LikelihoodRatio":
        """Likelihood ratio test of the smaller of the two models within the larger: statistic, df, p.

        Raises ComparisonError, with every reason, unless both were fitted to the same observations by the same
        criterion and one is a case of the other; under REML the fixed effects must span the same means.
        """
        from pipanalysis.mmrm.compare import likelihood_ratio

        def parameters(fit: EngineFit) -> int:
            return fit.n_theta + fit.beta.size

        return likelihood_ratio(*sorted((self.engine, other.engine), key=parameters))

    # ---- inference

    def inference(self, df: str | None = None, vcov: str | None = None) -> Covariance:
        """Covariance of the coefficients (`vcov`), degrees of freedom (`dfs(L)`) and tests (`test(L)`).

        df: one of METHODS; None for kenward-roger, or satterthwaite where there is none (maximum likelihood,
        sandwich estimators). vcov: None for the model's own (adjusted under Kenward-Roger), or a sandwich estimator
        of ROBUST, which goes with satterthwaite, between-within or residual.
        """
        if df is None:
            df = "kenward-roger" if self.reml and vcov is None else "satterthwaite"
        problems = []
        if df not in METHODS:
            problems.append(f"df {df!r} is not known; the methods are {', '.join(METHODS)}")
        if vcov is not None and vcov not in ROBUST:
            problems.append(f"vcov {vcov!r} is not known; the estimators are {', '.join(ROBUST)}")
        if df.startswith("kenward") and not self.reml:
            problems.append(f"df {df!r} needs REML; with maximum likelihood take satterthwaite")
        if df.startswith("kenward") and vcov is not None:
            problems.append(f"df {df!r} has its own covariance; with vcov {vcov!r} take satterthwaite")
        if problems:
            raise OptionError(problems)
        return self.engine.inference(df) if vcov is None else self.engine.robust(vcov, df)

    def vcov(self, df: str | None = None, vcov: str | None = None) -> "pd.DataFrame":
        """Covariance matrix of the coefficients that goes with a method."""
        import pandas as pd

        return pd.DataFrame(self.inference(df, vcov).vcov, index=self.names, columns=self.names)

    def coefficients(self, df: str | None = None, vcov: str | None = None, level: float = 0.95) -> "pd.DataFrame":
        """Fixed effects: term, estimate, se, df, t, p, lower, upper."""
        import pandas as pd

        inference = self.inference(df, vcov)
        se = np.sqrt(np.diag(inference.vcov))
        freedom = np.asarray(inference.dfs(np.eye(self.beta.size)), dtype=float)
        t = self.beta / se
        half = t_quantile(0.5 + checked_level(level) / 2, freedom) * se
        return pd.DataFrame(
            {
                "term": self.names,
                "estimate": self.beta,
                "se": se,
                "df": freedom,
                "t": t,
                "p": t_two_sided(t, freedom),
                "lower": self.beta - half,
                "upper": self.beta + half,
            }
        )

    def test(self, L: Any, df: str | None = None, vcov: str | None = None, level: float = 0.95) -> TTest | FTest:
        """Test linear functions L b = 0: t for one row, F for several.

        L: weights over `names` (or over all columns of the design), shape (p,) or (m, p); or {term: weight}, or a
        list of such. Raises OptionError for unknown terms, a wrong length, or functions that are not estimable.
        """
        contrasts = contrast_matrix(L, self.names, len(self.design.names))
        if contrasts.shape[1] > self.beta.size:
            estimable = self._functions(contrasts, "residual", None).estimable
            if not estimable.all():
                rows = ", ".join(str(i + 1) for i in np.flatnonzero(~estimable))
                raise OptionError(f"not estimable: row {rows} of L; aliased are {', '.join(self.aliased)}")
            contrasts = contrasts[:, self.kept]
        return test_linear(contrasts, self.beta, self.inference(df, vcov), level)

    def _functions(
        self, contrasts: FloatArray, df: str | None, vcov: str | None, extra: FloatArray | None = None
    ) -> LinearFunctions:
        return LinearFunctions(contrasts, self.beta, self.inference(df, vcov), self.kept, self.null, extra)

    def anova(
        self,
        type: Literal[2, 3] = 3,
        df: str | None = None,
        vcov: str | None = None,
        covariates: Literal["mean", "zero"] = "mean",
    ) -> "pd.DataFrame":
        """F tests of the terms: term, num_df, den_df, f, p, scale (Kenward and Roger's factor, already in f).

        type: III or II (see `anova`). covariates: where the main effect of a factor that interacts with a covariate is
        tested, at the covariate's mean (as emmeans' joint tests) or at zero (as SAS).
        """
        return anova.term_tests(self, type, df, vcov, covariates)

    # ---- marginal means

    def emmeans(
        self,
        factors: str | Sequence[str],
        by: str | Sequence[str] | None = None,
        *,
        weights: Weights = "equal",
        at: Mapping[str, Any] | None = None,
        covariates_at: Over = "rows",
        df: str | None = None,
        vcov: str | None = None,
    ) -> MarginalMeans:
        """Marginal means of `factors` within the levels of `by`; see `emmeans` for the definitions.

        weights: equal, proportional or counterfactual. at: {variable: value or levels}. covariates_at: covariates at
        their mean over the rows of the model frame, or over the subjects.
        """
        target = find_target(self.design, _names(factors), _names(by), at)
        contrasts = mean_contrasts(self.design, self.frame, target, weights, covariates_at)
        return MarginalMeans(target.factors, target.by, target.cells, self._functions(contrasts, df, vcov))

    def gcomp(
        self,
        factors: str | Sequence[str],
        by: str | Sequence[str] | None = None,
        *,
        at: Mapping[str, Any] | None = None,
        df: str | None = None,
        vcov: str | None = None,
    ) -> MarginalMeans:
        """Marginal standardisation (g-computation) over all subjects of the data; see `gcomp`."""
        from pipanalysis.mmrm.gcomp import standardise

        target = find_target(self.design, _names(factors), _names(by), at)
        contrasts, extra = standardise(self.design, self.frame, target, self.kept, self.beta)
        return MarginalMeans(target.factors, target.by, target.cells, self._functions(contrasts, df, vcov, extra))

    # ---- data

    @property
    def fitted(self) -> FloatArray:
        """Fitted means of the complete rows."""
        return self.X @ self.beta

    def residuals(self, kind: Literal["response", "pearson", "normalized"] = "response") -> "pd.Series[float]":
        """Residuals of the complete rows, indexed as in the data.

        response: observed minus fitted. pearson: divided by their standard deviation. normalized: decorrelated
        within the subject by the Cholesky factor of its covariance, in the order of visits.
        """
        import pandas as pd

        from pipanalysis.mmrm.predict import residuals

        return pd.Series(residuals(self, kind), index=self.model.data.index[self.frame.rows], name=kind)

    def influence(self) -> "pd.DataFrame":
        """Influence of each subject, in the order of the data, on the coefficients at the fitted covariance.

        Returns subject, cooks_distance, leverage (trace of the subject's block of the hat matrix; they sum to the
        number of coefficients), covratio (determinant of the covariance of the coefficients without the subject over
        that with it) and dfbetas[term] (change of a coefficient in standard errors); see `influence`.
        """
        from pipanalysis.mmrm.diagnostics import influence_table

        return influence_table(self)

    def predict(
        self,
        new: "pd.DataFrame | None" = None,
        *,
        conditional: bool = False,
        interval: Literal["confidence", "prediction"] = "confidence",
        df: str | None = None,
        vcov: str | None = None,
        level: float = 0.95,
    ) -> "pd.DataFrame":
        """Predicted responses of the rows of `new` (by default the data, with the rows that were incomplete).

        conditional: given the responses that the subject has in `new`; observed rows return their response.
        interval: of the mean, or of a new observation. Returns subject, visit, estimate, se, df, lower, upper; NaN
        where a covariate is missing. Raises ModelDataError for columns or levels that the fit does not know.
        """
        from pipanalysis.mmrm.predict import predict

        return predict(self, new, conditional, interval, df, vcov, level)

    def simulate(self, n: int = 1, *, seed: int) -> "pd.DataFrame":
        """Draw `n` sets of responses for the complete rows from the fitted model: a column per set."""
        import pandas as pd

        from pipanalysis.mmrm.predict import simulate

        names = [f"sim_{i + 1}" for i in range(n)]
        return pd.DataFrame(simulate(self, n, seed), index=self.model.data.index[self.frame.rows], columns=names)


def _names(names: str | Sequence[str] | None) -> tuple[str, ...]:
    if names is None:
        return ()
    return tuple(part.strip() for part in names.split(":")) if isinstance(names, str) else tuple(names)
