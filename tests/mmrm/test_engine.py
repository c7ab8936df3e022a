"""The engine against the textbook formulas of `dense`: likelihood, derivatives, and the pieces of the inference.

Stated error of the yardsticks: 1e-13 for first derivatives (complex steps), 1e-10 for second ones (Richardson).
"""

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipanalysis.mmrm import MMRM
from pipanalysis.mmrm.arrays import DesignMatrix, packing
from pipanalysis.mmrm.covariance import make_structure
from pipanalysis.mmrm.crossproducts import CrossProducts, Rows, accumulate, lay_out, observed_pairs
from pipanalysis.mmrm.engine import Control, EngineFit, fit_arrays
from pipanalysis.mmrm.errors import SingularData
from pipanalysis.mmrm.likelihood import PatternLikelihood
from pipanalysis.mmrm.prepare import standardise

from . import dense, matrices
from .trials import FORMULA, trial

NAMES = (*dense.STRUCTURES, *dense.SPATIAL)
VARIANTS = {"plain": {}, "weighted": {"weighted": True}, "grouped": {"grouped": True, "weighted": True}}


def close(ours: Any, theirs: Any, relative: float) -> None:
    """Relative to the largest element: small ones are differences of large."""
    np.testing.assert_allclose(ours, theirs, rtol=0.0, atol=relative * np.abs(theirs).max())


def own_units(fit: EngineFit, theta: Any) -> Any:
    """Working parameters in the units of the engine, whose response is divided by a scale."""
    log_scale = -float(np.log(fit.problem.source.scale))
    parts = np.split(theta, fit.n_groups)
    return np.concatenate([fit.structure.rescaled(part, log_scale) for part in parts])


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("reml", [True, False], ids=["reml", "ml"])
@pytest.mark.parametrize("name", NAMES)
def test_likelihood_and_its_derivatives(name: str, reml: bool, variant: str) -> None:
    """Off the optimum, where the gradient is not zero and nothing cancels."""
    data = dense.trial(name, reml=reml, **VARIANTS[variant])
    fit = data.fit()
    theta = fit.theta + np.random.default_rng(1).normal(0.0, 0.15, fit.n_theta)
    likelihood = fit.problem.likelihood
    state = likelihood.evaluate(own_units(fit, theta))
    assert state is not None
    ours = likelihood.differentiate(state)
    assert state.value == pytest.approx(data.neg2_loglik(theta), rel=1e-12)
    gradient = dense.complex_step(data.neg2_loglik, theta)
    close(ours.gradient, gradient, 1e-12)
    close(data.gradient(theta), gradient, 1e-12)  # the yardstick of the Hessian is the gradient of the yardstick
    close(ours.hessian, data.hessian(theta), 1e-9)
    close(ours.expected, data.expected(theta), 1e-12)


@pytest.mark.parametrize("reml", [True, False], ids=["reml", "ml"])
@pytest.mark.parametrize("name", NAMES)
def test_the_fit_is_a_maximum(name: str, reml: bool) -> None:
    data = dense.trial(name, reml=reml)
    fit = data.fit()
    assert fit.converged
    assert fit.neg2_loglik == pytest.approx(data.neg2_loglik(fit.theta), rel=1e-12)
    hessian = data.hessian(fit.theta)
    gradient = dense.complex_step(data.neg2_loglik, fit.theta)
    assert gradient @ np.linalg.solve(hessian, gradient) < 1e-10  # squared distance in standard errors
    close(fit.theta_vcov, 2.0 * np.linalg.inv(hessian), 1e-6)
    W, phi, _ = data.projection(data.covariance(fit.theta))
    close(fit.beta, phi @ data.X.T @ W @ data.y, 1e-11)
    close(fit.beta_vcov, phi, 1e-11)


@pytest.mark.parametrize("grouped", [False, True], ids=["plain", "grouped"])
@pytest.mark.parametrize("name", NAMES)
def test_kenward_roger_and_satterthwaite(name: str, grouped: bool) -> None:
    """Contractions against sums over pairs of parameters, in the parameters that each variant differentiates by."""
    data = dense.trial(name, grouped=grouped, weighted=grouped)
    fit = data.fit()
    spatial = name in dense.SPATIAL
    by_sas = matrices.spatial_natural if spatial else matrices.natural
    by_mmrm = matrices.spatial_working if spatial else matrices.mmrm
    for method, how, linear in (
        ("kenward-roger", by_sas, False),
        ("kenward-roger-linear", by_sas, True),
        ("kenward-roger-mmrm", by_mmrm, False),
    ):
        close(fit.inference(method).vcov, data.kenward_roger(fit, how, linear), 1e-9)
    contrast = np.zeros(data.X.shape[1])
    contrast[-3:] = 1.0, 2.0, -0.5
    expected = data.satterthwaite(fit, contrast)
    for method in ("satterthwaite", "kenward-roger"):
        assert fit.inference(method).df(contrast) == pytest.approx(expected, rel=1e-10)


# ---- subjects held as rows, or as cross-products


def held_as(data: CrossProducts, z: Any, pattern: Any, rows: bool) -> CrossProducts:
    """The same data with all subjects in one form; z (n, t, q) padded with zeros, pattern (n,)."""
    n_patterns = len(data.counts)
    triangle = packing(data.n_columns)
    common = (data.n_visits, data.n_columns, data.observed, data.counts, data.group)
    if rows:
        order = np.argsort(pattern, kind="stable")
        starts = np.searchsorted(pattern[order], np.arange(n_patterns))
        held = Rows(z[order], pattern[order], np.arange(n_patterns), starts)
        no_pairs = observed_pairs(data.observed[:0])
        no_patterns = np.zeros(0, dtype=np.intp)
        return CrossProducts(*common, no_patterns, no_pairs, np.zeros((0, triangle.row.size)), held)
    pairs = observed_pairs(data.observed)
    products = []
    for p, j, k in zip(pairs.pattern, pairs.row, pairs.column, strict=True):
        total = z[pattern == p, j].T @ z[pattern == p, k]
        products.append(triangle.pack(0.5 * (total + total.T)))
    return CrossProducts(*common, np.arange(n_patterns), pairs, np.array(products), None)


@pytest.mark.parametrize("n", [12, 400], ids=["few", "many"])
@pytest.mark.parametrize("name", ["us", "toeph", "un@ar1"])
@pytest.mark.parametrize("reml", [True, False], ids=["reml", "ml"])
def test_subjects_as_rows_and_as_cross_products(name: str, n: int, reml: bool) -> None:
    data = dense.trial(name, n=n, reml=reml, grouped=True, weighted=True, missing=0.1 if n == 400 else 0.45)
    structure: Any = make_structure(name, data.t, matrices.DIMS if "@" in name else None)
    layout = lay_out(data.subject, data.visit, data.t, data.group)
    source, _ = standardise(DesignMatrix(data.X), data.y, np.sqrt(data.weights))
    chosen = accumulate(layout, source)
    assert chosen.rows is not None
    assert (chosen.large.size > 0) == (n == 400)  # few subjects all as rows; many in both forms
    z = np.zeros((layout.n_subjects, data.t, chosen.n_columns))
    z[data.subject, data.visit] = source.z(np.arange(data.y.size))
    theta = np.tile(structure.start(0.5 + 0.5 * np.eye(data.t)) + 0.1, 2)
    w = np.cov(np.random.default_rng(2).normal(size=(theta.size, 50)))
    found = []
    for form in (chosen, held_as(chosen, z, layout.pattern, True), held_as(chosen, z, layout.pattern, False)):
        likelihood = PatternLikelihood(form, structure, 2, reml=reml, constant=0.0)
        state = likelihood.evaluate(theta)
        assert state is not None
        d = likelihood.differentiate(state)
        pieces = [np.array([state.value]), d.gradient, d.hessian, d.expected, likelihood.phi_derivatives(state)]
        pieces += [likelihood.kenward_roger_q(state, w), likelihood.kenward_roger_r(state, w, "mmrm")]
        found.append(pieces)
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            close(a, b, 1e-11)


@pytest.mark.parametrize("n", [20, 40, 400])  # all subjects as rows; few observations in both forms; many
@pytest.mark.parametrize("name", ["cs", "sp_exp"])
def test_a_fit_and_its_inference_need_the_design_matrix_once(name: str, n: int) -> None:
    data = dense.trial(name, n=n)
    given = data.fit()
    made = []

    def make() -> np.ndarray:
        made.append(1)
        return data.X

    held = fit_arrays(
        DesignMatrix(data.X, make),
        data.y,
        data.subject,
        data.visit,
        n_visits=data.t,
        structure=given.structure,
        times=data.times if name == "sp_exp" else None,
    )
    L = np.eye(held.beta.size)
    np.testing.assert_array_equal(held.beta, given.beta)
    np.testing.assert_array_equal(held.inference("kenward-roger").dfs(L), given.inference("kenward-roger").dfs(L))
    assert not made
    np.testing.assert_array_equal(held.robust("empirical").vcov, given.robust("empirical").vcov)
    assert len(made) == 1


def test_order_of_rows_and_codes_of_subjects_do_not_matter() -> None:
    data = dense.trial("us")
    fit = data.fit()
    order = np.random.default_rng(4).permutation(data.y.size)
    shuffled = fit_arrays(
        data.X[order], data.y[order], 7 * data.subject[order] + 3, data.visit[order], n_visits=4,
        structure=fit.structure,
    )  # fmt: skip
    close(shuffled.beta, fit.beta, 1e-10)
    np.testing.assert_allclose(shuffled.subject_covariance(3), fit.subject_covariance(0), rtol=1e-7)
    with pytest.raises(ValueError, match="no subject with code 4"):
        shuffled.subject_covariance(4)


# ---- what the data do not determine


def near_copy(noise: float) -> pd.DataFrame:
    """The last visit repeats the one before, up to noise."""
    data = trial(40, 3, 0.0)
    last = (data["visit"] == "m12").to_numpy()
    before = data.loc[(data["visit"] == "m06").to_numpy(), "y"].to_numpy()
    data.loc[last, "y"] = before + noise * np.random.default_rng(1).normal(size=last.sum())
    return data


def one_value(data: pd.DataFrame) -> pd.DataFrame:
    return data.assign(y=data["y"].where(data["visit"] != "m12", 7.0))


@pytest.mark.parametrize(
    ("data", "covariance", "said"),
    [
        (near_copy(0.0), "us", "nearly singular: some visits are combinations of others"),
        (near_copy(1e-4), "us", "nearly singular: some visits are combinations of others"),
        (one_value(trial(40, 3, 0.0)), "csh", "the variance at a visit goes to zero"),
    ],
    ids=["copied visit", "nearly copied visit", "one value at a visit"],
)
def test_nearly_singular_data_are_named(data: pd.DataFrame, covariance: str, said: str) -> None:
    fit = MMRM(FORMULA, data, subject="id", visit="visit", covariance=covariance).fit()
    assert not fit.converged
    assert said in fit.engine.message
    assert any(said in note for note in fit.notes)


def test_highly_correlated_visits_are_no_reason_to_give_up() -> None:
    """Correlation 0.9998; on complete data REML is the residual covariance over n - p (16 columns for 4 per visit)."""
    data = near_copy(0.05)
    fit = MMRM("y ~ base * visit + arm * visit", data, subject="id", visit="visit").fit()
    assert fit.converged
    wide = data.pivot(index="id", columns="visit", values="y").to_numpy()
    subjects = data.drop_duplicates("id")
    X = np.column_stack([np.ones(40), subjects["base"], subjects["arm"] == "trt"])
    residual = wide - X @ np.linalg.lstsq(X, wide, rcond=None)[0]
    np.testing.assert_allclose(fit.covariance, residual.T @ residual / 37, rtol=1e-6)


def test_what_leaves_no_error_or_no_overlap_is_refused() -> None:
    data = trial(40, 3, 0.0)
    with pytest.raises(SingularData, match="fit the response without error"):
        MMRM(FORMULA, data.assign(y=3.0 + 2.0 * data["base"]), subject="id", visit="visit").fit()
    first = data["id"] < "P020"
    apart = data[(first & (data["visit"] != "m12")) | (~first & (data["visit"] != "m00"))]
    with pytest.raises(SingularData, match=re.escape("no subject was observed at both visits m00 and m12")):
        MMRM("y ~ arm * visit", apart, subject="id", visit="visit").fit()
    labels = {"m00": "the start", "m12": "one year"}
    with pytest.raises(SingularData, match="no subject was observed at both visits the start and one year: with an"):
        MMRM("y ~ arm * visit", apart, subject="id", visit="visit", labels=labels).fit()
    fit = MMRM("y ~ arm * visit", apart, subject="id", visit="visit", fallback=("toeph", "csh", "cs")).fit()
    assert [(a.covariance, a.converged) for a in fit.attempts] == [("us", False), ("toeph", False), ("csh", True)]
    assert fit.structure == "csh"
    tried = ("unstructured", "heterogeneous Toeplitz")
    messages = [a.message for a in fit.attempts[:2]]
    assert fit.notes == tuple(f"{s} covariance did not converge: {m}" for s, m in zip(tried, messages, strict=True))
    assert "both visits m00 and m12" in fit.attempts[0].message
    assert "two visits 2 apart" in fit.attempts[1].message


def test_a_direct_product_needs_each_pair_of_members_and_of_visits_once() -> None:
    """Where no subject has two visits the visits' covariance is in no term of the likelihood, and so of members."""
    generator = np.random.default_rng(5)
    rows = [(i, member, visit) for i in range(30) for member in ("mother", "infant") for visit in ("m06", "m12")]
    data = pd.DataFrame(rows, columns=["id", "member", "visit"]).assign(y=generator.normal(size=len(rows)))
    odd = data["id"] % 2 == 1
    apart = {
        "both visits m06 and m12": data[odd == (data["visit"] == "m12")],
        "both members infant and mother": data[odd == (data["member"] == "mother")],
    }
    for said, chosen in apart.items():
        with pytest.raises(SingularData, match=f"no subject was observed at {said}"):
            MMRM("y ~ 1", chosen, subject="id", visit="visit", member="member", covariance="un@un").fit()
    # A pair is enough in whichever cells: the mother is seen at 6 months, the infant at 12, and the other way about.
    across = data[odd == (data["visit"] == "m12")].index.union(data[(data["id"] < 12)].index)
    assert (
        MMRM("y ~ 1", data.loc[across], subject="id", visit="visit", member="member", covariance="un@un")
        .fit()
        .converged
    )


def test_the_fallback_chain_records_every_structure_until_one_converges() -> None:
    stop = Control(max_iterations=0, optimisers=("newton",))
    fit = MMRM(FORMULA, trial(), subject="id", visit="visit", fallback=("toeph", "cs"), control=stop).fit()
    assert [a.covariance for a in fit.attempts] == ["us", "toeph", "cs"]
    assert not any(a.converged for a in fit.attempts)
    assert all(a.message == "no convergence in 0 iterations" for a in fit.attempts)
    assert len(fit.notes) == 3
    kept = MMRM(FORMULA, trial(), subject="id", visit="visit", covariance="csh", fallback=("cs",)).fit()
    assert [(a.covariance, a.converged, a.message) for a in kept.attempts] == [("csh", True, "")]


def test_aliased_columns_are_dropped_and_said_and_what_needs_them_is_marked() -> None:
    """A covariate given twice, and an arm that nobody of one site is in."""
    data = trial(60).query("not (site == 'W' and arm == 'trt')")
    data = data.assign(twice=2.0 * data["base"] - 7.0)
    fit = MMRM("y ~ base + twice + site * arm + visit", data, subject="id", visit="visit").fit()
    assert fit.aliased == ("twice", "siteW:armtrt")
    assert fit.notes == ("aliased with earlier columns and left out: twice, siteW:armtrt",)
    plain = MMRM("y ~ base + site + arm + site:arm + visit", data, subject="id", visit="visit").fit()
    assert fit.names == plain.names
    np.testing.assert_allclose(fit.beta, plain.beta, rtol=1e-8)
    table = fit.emmeans("arm", by="site").table()
    lost = (table["site"] == "W") & (table["arm"] == "trt")
    assert table["estimable"].tolist() == (~lost).tolist()
    assert table.loc[lost, ["estimate", "se", "df", "lower", "upper"]].isna().all(axis=None)
    assert table.loc[~lost, ["estimate", "se", "df", "lower", "upper"]].notna().all(axis=None)
