"""`pipanalysis mmrm`: the JSON it writes, and what it says to bad input."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from pipanalysis.errors import DataError, FitError, PipError
from pipanalysis.mmrm import MMRM
from pipanalysis.mmrm.command import register

from .trials import FORMULA, trial

RUNNER = CliRunner()
BASIC = ["--subject", "id", "--visit", "visit"]


def run(folder: Path, data: pd.DataFrame, *arguments: str, formula: str = FORMULA) -> dict[str, Any]:
    """Run the verb and read what it wrote; errors are raised as the command line's own main() receives them."""
    data.to_csv(folder / "data.csv", index=False)
    app = typer.Typer()
    register(app)
    out = folder / "out.json"
    result = RUNNER.invoke(
        app, [str(folder / "data.csv"), "--formula", formula, *BASIC, *arguments, "--json", str(out)]
    )
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        assert not out.exists()
        raise result.exception
    assert result.exit_code == 0, result.output
    loaded: dict[str, Any] = json.loads(out.read_text())
    return loaded


def test_keys_and_numbers(tmp_path: Path) -> None:
    found = run(tmp_path, trial(), "--emmeans", "arm:visit")
    assert list(found) == [
        "converged", "method", "n_subjects", "n_observations", "deviance", "loglik", "aic", "bic",
        "covariance", "visits", "coefficients", "emmeans", "contrasts",
    ]  # fmt: skip
    fit = MMRM(FORMULA, pd.read_csv(tmp_path / "data.csv"), subject="id", visit="visit").fit()
    assert (found["converged"], found["method"]) == (True, "REML")
    assert (found["n_subjects"], found["n_observations"]) == (fit.n_subjects, fit.n_obs)
    assert found["deviance"] == fit.deviance
    assert found["loglik"] == -fit.deviance / 2
    assert found["visits"] == ["m00", "m06", "m12"]
    np.testing.assert_array_equal(found["covariance"], fit.covariance)
    means = fit.emmeans("arm", by="visit")
    for key, table, names in (
        ("coefficients", fit.coefficients(), ["term", "estimate", "se", "df", "t", "p", "lower", "upper"]),
        ("emmeans", means.table(), ["arm", "visit", "estimate", "se", "df", "lower", "upper"]),
        (
            "contrasts",
            means.contrasts(),
            ["contrast", "visit", "estimate", "se", "df", "t", "p", "lower", "upper"],
        ),
    ):
        assert all(list(row) == names for row in found[key])
        assert found[key] == table[names].to_dict("records")
    assert found["contrasts"][0]["contrast"] == "trt - ctl"


def test_options_reach_the_model(tmp_path: Path) -> None:
    data = trial().assign(w=lambda d: 1.0 + (d["site"] == "N"))
    found = run(
        tmp_path, data, "--covariance", "ar1", "--group", "arm", "--weights", "w", "--ml", "--df", "satterthwaite"
    )
    fit = MMRM(FORMULA, data, subject="id", visit="visit", covariance="ar1", group="arm", weights="w", reml=False).fit()
    assert found["method"] == "ML"
    assert found["deviance"] == pytest.approx(fit.deviance, rel=1e-12)
    assert sorted(found["covariance"]) == ["ctl", "trt"]
    assert found["emmeans"] == found["contrasts"] == []
    np.testing.assert_allclose(
        [c["df"] for c in found["coefficients"]], fit.coefficients(df="satterthwaite")["df"], rtol=1e-6
    )


def test_maximum_likelihood_without_a_df_method(tmp_path: Path) -> None:
    assert run(tmp_path, trial(), "--ml")["method"] == "ML"


def test_numeric_visits_are_levels_in_numeric_order(tmp_path: Path) -> None:
    data = trial().assign(visit=lambda d: d["visit"].str[1:].astype(int))
    found = run(tmp_path, data, "--emmeans", "arm:visit")
    assert found["visits"] == ["0", "6", "12"]
    assert [c["visit"] for c in found["contrasts"]] == ["0", "6", "12"]


def test_what_is_not_estimable_is_null(tmp_path: Path) -> None:
    data = trial().query("arm == 'ctl' or visit != 'm12'")
    found = run(tmp_path, data, "--emmeans", "arm:visit", formula="y ~ arm * visit")
    assert found["emmeans"][-1]["estimate"] is None
    assert found["contrasts"][-1]["p"] is None


def test_text_that_looks_missing_stays_text(tmp_path: Path) -> None:
    data = trial().assign(site=lambda d: d["site"].replace({"N": "None", "S": "null"}))
    terms = [c["term"] for c in run(tmp_path, data)["coefficients"]]
    assert "sitenull" in terms


@pytest.mark.parametrize(
    ("formula", "arguments", "said"),
    [
        ("y ~ bsae", [], "'base'"),
        ("y ~ __import__('os').getcwd()", [], "cannot be read|not allowed"),
        ("y ~ arm", ["--covariance", "unst"], "us, toep"),
        ("y ~ arm", ["--df", "kr"], "kenward-roger"),
        ("y ~ arm", ["--ml", "--df", "kenward-roger"], "needs REML"),
        ("y ~ arm", ["--emmeans", "site"], "not a variable of the model"),
        ("y ~ arm", ["--group", "visit"], "not constant"),
        ("y ~ arm", ["--weights", "site"], "must be numeric"),
        ("site ~ arm", [], "must be numeric"),
    ],
)
def test_bad_requests_are_refused_with_a_message(tmp_path: Path, formula: str, arguments: list[str], said: str) -> None:
    with pytest.raises(FitError, match=said) as caught:
        run(tmp_path, trial(), *arguments, formula=formula)
    assert caught.value.exit_status != 0


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe\x00", b'a,b\n1,2\n1,2,3\n"'])
def test_files_that_are_no_table_are_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "bad.csv"
    if content is not None:
        path.write_bytes(content)
    app = typer.Typer()
    register(app)
    result = RUNNER.invoke(app, [str(path), "--formula", "y ~ a", *BASIC, "--json", str(tmp_path / "o.json")])
    assert isinstance(result.exception, DataError)


def test_an_output_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    trial().to_csv(tmp_path / "d.csv", index=False)
    (tmp_path / "file").write_text("")
    app = typer.Typer()
    register(app)
    out = str(tmp_path / "file" / "o.json")
    result = RUNNER.invoke(app, [str(tmp_path / "d.csv"), "--formula", "y ~ arm", *BASIC, "--json", out])
    assert isinstance(result.exception, PipError)
