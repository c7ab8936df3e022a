"""A model for repeated measures from a formula and a data frame."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pipanalysis.mmrm import engine
from pipanalysis.mmrm.arrays import DesignMatrix, FloatArray, IntArray
from pipanalysis.mmrm.covariance import STRUCTURES, make_structure
from pipanalysis.mmrm.design import Design, find_aliased
from pipanalysis.mmrm.errors import NonConvergence, SingularData
from pipanalysis.mmrm.fit import Attempt, MMRMFit
from pipanalysis.mmrm.formula import parse_formula
from pipanalysis.mmrm.frame import ModelFrame, Roles, build_frame
from pipanalysis.mmrm.problems import ModelDataError, OptionError

if TYPE_CHECKING:
    import pandas as pd


class MMRM:
    """A mixed model for repeated measures, to be fitted by `fit()`.

    formula: fixed effects, read by formulaic (see `formula.TRANSFORMS` for what it may hold). data: one row per
    subject and visit; rows without response or covariate are left out and counted. subject, visit: columns; the
    visit is a factor wherever it occurs, also when its labels are numbers (a linear trend takes a second column).
    covariance: us, toep, toeph, ar1, ar1h, cs, csh, ad, adh; with `coords` (numeric columns) sp_exp or sp_gau; with
    `member` (the dyad's member, or the endpoint) un@un, un@cs, un@ar1 over the cells member by visit. group: column
    whose levels have a covariance each. weights: column of positive weights w, the variance being divided by w.
    reml: restricted likelihood, else maximum likelihood. fallback: structures to try in turn, only if the one before
    does not converge; the fit records them in `attempts`. labels: level → what messages call it, of visit, member and
    group, where it is not the level itself.
    """

    def __init__(
        self,
        formula: str,
        data: "pd.DataFrame | Mapping[str, Any]",
        *,
        subject: str,
        visit: str | None = None,
        covariance: str = "us",
        group: str | None = None,
        weights: str | None = None,
        reml: bool = True,
        member: str | None = None,
        coords: str | Sequence[str] = (),
        fallback: Sequence[str] = (),
        control: engine.Control | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> None:
        import pandas as pd

        self.formula = formula
        self.data = data if isinstance(data, pd.DataFrame) else pd.DataFrame(dict(data))
        coordinates = (coords,) if isinstance(coords, str) else tuple(coords)
        self.roles = Roles(subject, visit, group, weights, member, coordinates)
        self.covariance = covariance
        self.fallback = tuple(fallback)
        self.reml = reml
        self.control = engine.Control() if control is None else control
        self.labels = dict(labels or {})
        self._constrained_arm: str | None = None
        self._check_options()

    @classmethod
    def clda(
        cls,
        formula: str,
        data: "pd.DataFrame",
        *,
        subject: str,
        visit: str,
        arm: str,
        baseline: str | None = None,
        baseline_visit: str = "baseline",
        **options: Any,
    ) -> "MMRM":
        """Set up a constrained longitudinal analysis: baseline is an outcome, its mean equal in all arms.

        formula: with the arm by visit interaction, e.g. "score ~ arm * visit"; every effect of the arm that does not
        vary by visit is left out, so that the arms share the mean at baseline (Liang and Zeger 2000). baseline:
        column with the baseline value, turned into a row per subject at `baseline_visit`; None if `data` already hold
        the baseline as rows at `baseline_visit`. options: as for MMRM.
        """
        from pipanalysis.mmrm.clda import with_baseline_rows

        stacked = with_baseline_rows(parse_formula(formula), data, subject, visit, arm, baseline, baseline_visit)
        model = cls(formula, stacked, subject=subject, visit=visit, **options)
        model._constrained_arm = arm
        return model

    def _check_options(self) -> None:
        problems = []
        for name in (self.covariance, *self.fallback):
            if name not in STRUCTURES:
                problems.append(f"covariance {name!r} is not known; it is one of {', '.join(STRUCTURES)}")
            elif ("@" in name) != (self.roles.member is not None):
                need = "needs member=, the column of the dyad's member" if "@" in name else "takes no member="
                problems.append(f"covariance {name!r} {need}")
            elif name.startswith("sp_") != bool(self.roles.coords):
                need = "needs coords=, numeric columns" if name.startswith("sp_") else "takes no coords="
                problems.append(f"covariance {name!r} {need}")
        if self.roles.visit is None and not self.roles.coords:
            problems.append("visit= is missing: the column that orders the observations of a subject")
        if problems:
            raise OptionError(problems)

    def fit(self) -> MMRMFit:
        """Fit the model.

        Raises ModelInputError (a ValueError) listing every problem of formula, data and options, and MMRMError when
        the covariance cannot be estimated. A fit that did not converge is returned with `converged` False.
        """
        formula = parse_formula(self.formula)
        frame = build_frame(formula, self.data, self.roles)
        omit = frozenset[str]()
        if self._constrained_arm is not None:
            arm, visit = self._constrained_arm, self.roles.visit
            omit = frozenset(t.label for t in formula.terms if arm in t.variables and visit not in t.variables)
        design = Design.from_columns(formula, frame.columns, omit=omit)
        if not design.names:
            raise ModelDataError(f"formula {self.formula!r} has no term to estimate")
        matrix, kept, null = _estimable_matrix(design, frame)
        if frame.n <= kept.size:
            raise ModelDataError(f"{frame.n} complete rows are too few for {kept.size} coefficients")
        attempts: list[Attempt] = []
        result: engine.EngineFit | None = None
        for position, name in enumerate((self.covariance, *self.fallback)):
            try:
                result = self._fit_structure(name, frame, matrix)
            except (NonConvergence, SingularData) as error:
                attempts.append(Attempt(name, False, str(error)))
                if position == len(self.fallback):
                    raise
                continue
            attempts.append(Attempt(name, result.converged, result.message))
            if result.converged:
                break
        assert result is not None
        return MMRMFit(
            model=self,
            frame=frame,
            design=design,
            engine=result,
            attempts=tuple(attempts),
            kept=kept,
            null=null,
        )

    def _fit_structure(self, name: str, frame: ModelFrame, X: DesignMatrix) -> engine.EngineFit:
        dims = None if frame.member is None else (len(frame.member.levels), len(frame.visit.levels))
        n_cells = len(frame.cells)
        named = (("visit", frame.visit), ("member", frame.member), ("group", frame.group))
        labels = {what: [self.labels.get(v, v) for v in factor.levels] for what, factor in named if factor is not None}
        return engine.fit_arrays(
            X,
            frame.response,
            frame.subject,
            frame.cell,
            n_visits=n_cells,
            structure=make_structure(name, n_cells, dims),
            group=None if frame.group is None else frame.group.codes,
            n_groups=1 if frame.group is None else len(frame.group.levels),
            weights=frame.weights,
            reml=self.reml,
            times=frame.coordinates,
            control=self.control,
            labels=labels,
        )


def _estimable_matrix(design: Design, frame: ModelFrame) -> tuple[DesignMatrix, IntArray, FloatArray]:
    """Design matrix of the columns with an estimate, their positions, and the null space (see `find_aliased`)."""

    def make() -> FloatArray:
        return design.matrix(frame.columns, frame.n)

    X = make()
    kept, aliased, null = find_aliased(X)
    if not aliased.size:
        return DesignMatrix(X, make), kept, null
    return DesignMatrix(np.ascontiguousarray(X[:, kept]), lambda: np.ascontiguousarray(make()[:, kept])), kept, null
