"""Verification: what was altered in results is caught and named, and nothing else is."""

import json
import math
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from pipanalysis.errors import DataError
from pipanalysis.reproduce.compare import compare
from pipanalysis.reproduce.consistency import check_consistency
from pipanalysis.reproduce.manifest import manifest
from pipanalysis.reproduce.pages import shown_numbers
from pipanalysis.reproduce.verify import read_results, store, verify, write_page
from pipanalysis.study.load import load_study

Change = Callable[[pd.DataFrame], None]


@pytest.fixture(scope="module")
def results(finished_once: Path) -> pd.DataFrame:
    return read_results(finished_once / "results")


def row_of(results: pd.DataFrame, **where: str) -> int:
    chosen = results
    for column, value in where.items():
        chosen = chosen[chosen[column] == value]
    return int(chosen.index[0])


EFFECT = {"analysis": "primary", "outcome": "bdi", "visit": "month8", "contrast": "beat_the_blues - usual_care"}
MEAN = {"analysis": "descriptives", "outcome": "bdi", "visit": "month2", "arm": "usual_care"}


def simulated(p: float, mcse: float, method: str = "rerandomisation", **others: float) -> pd.DataFrame:
    """Rows of one simulation-based analysis."""
    common = dict.fromkeys(("estimand", "domain", "visit", "arm", "contrast", "context", "warning", "error"), "")
    common |= {"analysis": "a", "role": "sensitivity", "population": "all", "outcome": "y", "stat_label": "L"}
    stats = ({"p_value": p, "p_value_mcse": mcse} if mcse else {"p_value": p}) | others
    rows = [
        {
            **common,
            "method": method,
            "stat_name": name,
            "stat": value,
            "conf_level": float("nan"),
            "prespecified": "True",
        }
        for name, value in stats.items()
    ]
    return pd.DataFrame(rows)


# ---- compared with a repetition


def test_the_same_results_are_reproduced(finished: Path, results: pd.DataFrame) -> None:
    found = verify(finished / "results", finished / "results")
    assert found.good
    assert found.verdict == f"REPRODUCED: all {len(results)} numbers ({len(results)} identical)."
    by_text = verify(finished / "results" / "estimates.csv", finished / "results" / "estimates.parquet")
    assert by_text.numbers == {"identical": len(results)}


def test_a_change_of_a_millionth_in_any_number_is_caught_and_named(results: pd.DataFrame) -> None:
    valued = results[results["stat"].notna()]
    every = results.assign(stat=results["stat"] + 1e-6)
    some = [results.assign(stat=results["stat"].where(results.index != i, every["stat"])) for i in valued.index[::200]]
    assert len(some) >= 10
    for altered in (every, *some):
        changed = results[results["stat"].notna() & (altered["stat"] != results["stat"])]
        findings = compare(results, altered).findings
        assert len(findings) == len(changed) in (1, len(valued))
        for finding, row in zip(findings, changed.to_dict("records"), strict=True):
            assert finding.kind == "differs"
            for column in ("analysis", "outcome", "visit", "arm", "contrast", "context", "stat_name"):
                assert row[column] in finding.where
            assert finding.published == repr(float(row["stat"]))


def test_rounding_of_another_processor_is_counted_not_found(results: pd.DataFrame) -> None:
    altered = results.copy()
    i = row_of(results, **EFFECT, stat_name="estimate")
    altered.loc[i, "stat"] *= 1 + 1e-12
    found = compare(results, altered)
    assert not found.findings
    assert found.counts == {"identical": len(results) - 1, "rounding": 1}
    assert len(compare(results, altered, rounding=0.0).findings) == 1


def test_a_number_that_is_gone_is_no_number(results: pd.DataFrame) -> None:
    altered = results.copy()
    altered.loc[row_of(results, **EFFECT, stat_name="p_value"), "stat"] = float("nan")
    (finding,) = compare(results, altered).findings
    assert finding.here == "no value"


def test_deleted_added_and_repeated_rows_are_named(results: pd.DataFrame) -> None:
    i = row_of(results, **EFFECT, stat_name="conf_low")
    without = results.drop(index=i)
    (missing,) = compare(results, without).findings
    (extra,) = compare(without, results).findings
    assert (missing.kind, extra.kind) == ("missing", "extra")
    assert "conf_low" in missing.where
    assert "month8" in missing.where
    (repeated,) = compare(results, pd.concat([results, results.loc[[i]]])).findings
    assert repeated.kind == "repeated"
    assert "in the here results" in repeated.where


def test_swapped_arm_labels_are_named_as_such(results: pd.DataFrame) -> None:
    altered = results.copy()
    at = (altered["analysis"] == "descriptives") & (altered["visit"] == "month2") & (altered["context"] == "")
    altered.loc[at, "arm"] = altered.loc[at, "arm"].map(
        {"usual_care": "beat_the_blues", "beat_the_blues": "usual_care", "": ""}
    )
    (finding,) = compare(results, altered).findings
    assert finding.kind == "swapped"
    assert "beat_the_blues and usual_care" in finding.where
    assert "month2" in finding.where


def test_one_row_under_another_arm_is_named_with_both_labels(results: pd.DataFrame) -> None:
    altered = results.copy()
    altered.loc[row_of(results, **MEAN, stat_name="mean"), "arm"] = "placebo"
    (finding,) = compare(results, altered).findings
    assert (finding.kind, finding.published, finding.here) == ("relabelled", "usual_care", "placebo")


@pytest.mark.parametrize(("column", "value"), [("warning", "new"), ("prespecified", "False"), ("stat_label", "x")])
def test_a_changed_text_is_named_with_its_column(results: pd.DataFrame, column: str, value: str) -> None:
    altered = results.copy()
    altered.loc[row_of(results, **EFFECT, stat_name="estimate"), column] = value
    (finding,) = compare(results, altered).findings
    assert finding.kind == "text"
    assert f"column {column}" in finding.where
    assert finding.here == value


# ---- within Monte Carlo error


@pytest.mark.parametrize(
    ("p", "mcse", "good"),
    [
        (0.0300, 0.0010, True),
        (0.0355, 0.0010, True),  # 5.5 thousandths: below 4 sqrt(2) of a standard error of one thousandth
        (0.0358, 0.0010, False),
        (0.0300, 0.0015, True),  # a standard error that is itself simulated
        (0.0300, 0.0021, False),
    ],
)
def test_a_simulated_p_value_may_differ_by_its_stated_error(p: float, mcse: float, good: bool) -> None:
    published = simulated(0.0300, 0.0010, statistic=2.1)
    found = compare(published, simulated(p, mcse, statistic=2.1))
    assert bool(found.findings) is not good


def test_what_is_not_simulated_in_such_an_analysis_must_be_the_same() -> None:
    found = compare(simulated(0.03, 0.001, statistic=2.1), simulated(0.031, 0.001, statistic=2.1 + 1e-6))
    assert [finding.where.rpartition(" ")[2] for finding in found.findings] == ["statistic"]


def test_a_p_value_without_a_stated_error_must_be_the_same() -> None:
    assert len(compare(simulated(0.03, 0.0), simulated(0.0301, 0.0)).findings) == 1


@pytest.mark.parametrize(("low", "good"), [(1.0, True), (1.12, True), (1.13, False)])
def test_a_drawn_number_without_a_stated_error_may_differ_by_a_quarter_of_the_standard_error(
    low: float, good: bool
) -> None:
    published = simulated(0.5, 0.0, "bootstrap percentile", std_error=0.5, conf_low=1.0)
    here = simulated(0.5, 0.0, "bootstrap percentile", std_error=0.5, conf_low=low)
    assert bool(compare(published, here).findings) is not good


def test_differences_of_two_programs_are_rounding_themselves() -> None:
    one, other = (simulated(0.5, 0.0, difference_estimate=d) for d in (1e-9, 3e-9))
    assert not compare(one, other).findings
    assert len(compare(one, simulated(0.5, 0.0, difference_estimate=1e-6)).findings) == 1


# ---- plan, data, files


def test_a_plan_edited_after_the_results_were_made_is_named(finished: Path, tmp_path: Path) -> None:
    published = Path(shutil.copytree(finished / "results", tmp_path / "published"))
    plan = finished / "config" / "analysis.yaml"
    plan.write_text("# only a comment\n" + plan.read_text())
    assert verify(published, finished / "results").good
    plan.write_text(plan.read_text().replace("covariance: us", "covariance: us\n    df: kenward-roger-linear"))
    (finding,) = verify(published, finished / "results").findings
    assert finding.kind == "plan"
    assert finding.where == "config/analysis.yaml was edited after the results were made"
    plan.write_text(plan.read_text().replace("score: bdi.total", "score: bdi.totl"))
    (finding,) = verify(published, finished / "results").findings
    assert "analysis.yaml, line" in finding.where


def test_another_plan_other_data_and_another_seed_are_named(finished: Path, tmp_path: Path) -> None:
    published = Path(shutil.copytree(finished / "results", tmp_path / "published"))
    content = json.loads((published / "manifest.json").read_text())
    content["config"][1]["content_sha256"] = "0" * 64
    content["inputs"][0]["sha256"] = "1" * 64
    content["seeds"]["study.yaml: study.seed"] = 1
    content["environment"]["packages"]["numpy"] = "0.1"
    content["environment"]["processor"] = "Another"
    content["code"][0]["sha256"] = "2" * 64
    (published / "manifest.json").write_text(json.dumps(content))
    found = verify(published, finished / "results")
    assert [(finding.kind, finding.where) for finding in found.findings] == [
        ("plan", "config/analysis.yaml has another content"),
        ("data", "data/raw/allocation.csv has another content"),
        ("plan", "seeds"),
    ]
    told = "\n".join(found.told)
    assert "package numpy: published 0.1" in told
    assert "processor: published Another" in told
    assert "1 modules of the program differ" in told


def test_a_file_that_is_not_its_manifests_is_named(finished: Path) -> None:
    table = finished / "results" / "tables" / "effects.html"
    table.write_text(table.read_text().replace("Treatment effects", "Treatment effect"))
    found = verify(finished / "results", None)
    assert [(finding.kind, finding.where) for finding in found.findings] == [
        ("file", "tables/effects.html (published) is not the file of its manifest")
    ]


# ---- the results alone


def test_results_that_agree_with_themselves(finished: Path) -> None:
    found = verify(finished / "results", None)
    assert found.good, found.findings
    assert found.verdict.startswith("CONSISTENT")
    for kind in (
        "intervals",
        "t statistics",
        "P values",
        "counts",
        "units that add up",
        "percentages and proportions",
        "quantiles",
        "effect sizes",
        "table numbers",
    ):
        assert found.checks[kind] >= 4, kind


def plus(amount: float, **where: str) -> Change:
    def change(results: pd.DataFrame) -> None:
        results.loc[row_of(results, **where), "stat"] += amount

    return change


def put(value: float, **where: str) -> Change:
    def change(results: pd.DataFrame) -> None:
        results.loc[row_of(results, **where), "stat"] = value

    return change


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (plus(0.01, **EFFECT, stat_name="conf_low"), "the limits do not follow"),
        (plus(0.01, **EFFECT, stat_name="std_error"), "the limits do not follow"),
        (plus(-3.0, **EFFECT, stat_name="df"), "the P value does not follow"),
        (plus(0.001, **EFFECT, stat_name="statistic"), "not the estimate over its standard error"),
        (plus(0.001, **EFFECT, stat_name="p_value"), "the P value does not follow"),
        (plus(0.001, **EFFECT, stat_name="effect_size_low"), "not in proportion"),
        (put(1.5, **EFFECT, stat_name="p_value"), "p_value is 1.5"),
        (put(99.0, **EFFECT, stat_name="estimate"), "not between its limits"),
        (plus(1.0, **MEAN, stat_name="n"), "add up to"),
        (plus(0.5, **MEAN, stat_name="n_missing"), "n_missing is"),
        (put(-1.0, **MEAN, stat_name="q3"), "not in order"),
        (put(-1.0, **MEAN, stat_name="sd"), "sd is -1.0"),
        (plus(1.0, analysis="characteristics", stat_name="n_level"), "percent is not n_level over n"),
    ],
)
def test_each_contradiction_is_found(results: pd.DataFrame, change: Change, told: str) -> None:
    altered = results.copy()
    change(altered)
    findings = check_consistency(altered).findings
    assert any(told in finding.where for finding in findings), findings


def test_limits_of_ratios_and_risks_follow_on_their_own_scales() -> None:
    z = 1.959963984540054
    e, se = math.exp(0.5), 0.2  # of the logarithm
    ratio = {"estimate": e, "std_error": se, "conf_low": e * math.exp(-z * se), "conf_high": e * math.exp(z * se)}
    odds, step = 0.25, math.exp(z * 0.05 / (0.2 * 0.8))  # of the risk 0.2, with its own standard error 0.05
    low, high = odds / step / (1 + odds / step), odds * step / (1 + odds * step)
    risk = {"estimate": 0.2, "std_error": 0.05, "conf_low": low, "conf_high": high}
    for own in (ratio, risk):
        assert not check_consistency(simulated(0.5, 0.0, "logistic ml delta", **own)).findings
        wrong = own | {"conf_low": own["conf_low"] - 1e-3}
        assert len(check_consistency(simulated(0.5, 0.0, "logistic ml delta", **wrong)).findings) == 1


def measured(measure: str, **numbers: float) -> pd.DataFrame:
    return simulated(numbers.pop("p_value"), 0.0, "count negative-binomial t delta", **numbers).assign(
        context=f"measure={measure}"
    )


def test_measures_follow_from_their_own_degrees_of_freedom() -> None:
    """t on 40 degrees of freedom: of a ratio by its logarithm, of a mean with the standard error of the mean itself."""
    t = 2.0210753903062737  # R: qt(0.975, 40)
    p = 0.0522  # R: 2 * pt(-2, 40) = 0.05232...; a wrong one
    own = {"estimate": math.exp(0.4), "std_error": 0.2, "df": 40.0, "p_value": 0.05232296}
    own |= {"conf_low": math.exp(0.4 - t * 0.2), "conf_high": math.exp(0.4 + t * 0.2)}
    assert not [f for f in check_consistency(measured("rate_ratio", **own)).findings if "limits" in f.where]
    assert any(
        "P value does not" in f.where
        for f in check_consistency(measured("rate_ratio", **own | {"p_value": p})).findings
    )
    mean = {"estimate": 20.0, "std_error": 3.0, "df": 40.0, "p_value": math.nan}
    mean |= {"conf_low": 20 * math.exp(-t * 0.15), "conf_high": 20 * math.exp(t * 0.15)}
    assert not check_consistency(measured("mean", **mean)).findings
    normal = mean | {"conf_low": 20 * math.exp(-1.96 * 0.15)}
    assert len(check_consistency(measured("mean", **normal)).findings) == 1


def test_a_number_of_a_table_that_is_not_among_the_results_is_named(finished: Path) -> None:
    path = finished / "results" / "tables" / "effects.csv"
    table = pd.read_csv(path, keep_default_na=False, dtype=str)
    table.loc[1, "estimate"] = str(float(table.loc[1, "estimate"]) + 1e-6)
    table.to_csv(path, index=False)
    wheres = [finding.where for finding in verify(finished / "results", None).findings]
    assert any(where.startswith("tables/effects.csv, row 3, column estimate") for where in wheres)


def test_a_number_of_a_page_that_its_table_does_not_hold_is_named(finished: Path) -> None:
    """Without the manifest too, whose checksums tell of any change."""
    (finished / "results" / "manifest.json").unlink()
    before = verify(finished / "results", None)
    assert before.good
    assert before.checks["numbers on pages"] > 100
    assert any("no manifest" in told for told in before.told)
    page = finished / "results" / "tables" / "effects.html"
    text = page.read_text(encoding="utf-8")
    shown = re.search(r'<span class="h">(−?\d+)</span><span class="t">\.(\d\d) \(', text)  # aligned at the point
    assert shown is not None
    other = f"{(int(shown[2]) + 37) % 100:02d}"
    page.write_text(text[: shown.start(2)] + other + text[shown.end(2) :], encoding="utf-8")
    (finding,) = verify(finished / "results", None).findings
    assert finding.where.startswith("tables/effects.html, row ")
    assert finding.where.endswith(f"{shown[1]}.{other} is no number of effects.csv as rounded")


@pytest.mark.parametrize(
    ("shown", "right"),
    [
        ("−7.01", True),
        ("-7.0", True),
        ("−7.02", False),
        ("−7.0065", True),
        ("−7.0066", False),
        ("<0.001", True),
        ("<0.0001", False),
        (">0.99", True),
        (">0.999", False),
        ("35%", True),
        ("36%", False),
        ("2e-04", True),
        ("3e-04", False),
        ("iv2sls, HC3, 2020-01-31, v1.2.3", True),
        ("12 (35%; −7.01 to 0.995)", True),
        ("12 (35%; −7.01 to 0.996)", False),
    ],
)
def test_numbers_of_pages_are_those_of_the_table_as_rounded(tmp_path: Path, shown: str, right: bool) -> None:
    page = tmp_path / "x.html"
    head = "<thead><tr><th>99 months</th></tr></thead>"
    page.write_text(f"<table>{head}<tbody><tr><td>77 months</td><td><b>{shown}</b></td></tr></tbody></table>")
    table = pd.DataFrame({"visit": ["month77"], "estimate": ["-7.00649"], "p": ["0.000214"], "share": ["0.3519"]})
    table = table.assign(n="12", other="0.995")
    results = pd.DataFrame({"analysis": ["another"], "stat_name": ["n"], "stat": [-7.02]})
    assert all(found for _, _, found in shown_numbers(page, table, results)) == right


# ---- the command


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from pipanalysis.cli import main; main()", "verify", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_exit_status_and_page(finished: Path, tmp_path: Path) -> None:
    published = Path(shutil.copytree(finished / "results", tmp_path / "published"))
    here = str(finished / "results")
    good = run(str(published), "--here", here)
    assert (good.returncode, good.stderr) == (0, "")
    assert "REPRODUCED" in (finished / "results" / "verification.html").read_text()
    frame = pd.read_parquet(published / "estimates.parquet")
    frame.loc[3, "warning"] = "<script>alert(1)</script>"
    frame.to_parquet(published / "estimates.parquet", index=False)
    bad = run(str(published), "--here", here, "--page", str(tmp_path / "page.html"))
    assert bad.returncode == 1
    assert "NOT REPRODUCED" in bad.stdout
    page = (tmp_path / "page.html").read_text()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script" not in page


def test_the_page_of_a_verification_is_no_result(finished: Path) -> None:
    before = (finished / "results" / "manifest.json").read_bytes()
    write_page(finished / "results" / "verification.html", verify(finished / "results", None))
    manifest(load_study(finished))
    assert (finished / "results" / "manifest.json").read_bytes() == before


def test_stored_reference_results_verify_those_they_came_from(finished: Path, tmp_path: Path) -> None:
    store(finished / "results", tmp_path / "reference")
    assert {path.name for path in (tmp_path / "reference").iterdir()} == {"estimates.parquet", "manifest.json"}
    assert verify(tmp_path / "reference", finished / "results").good


def test_results_that_contradict_themselves_are_not_stored(finished: Path, tmp_path: Path) -> None:
    (finished / "results" / "tables" / "effects.csv").write_text("estimate\n1234.5\n")
    with pytest.raises(DataError, match=r"1234\.5 is not among the results"):
        store(finished / "results", tmp_path / "reference")
    assert not (tmp_path / "reference").exists()


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("absent.parquet", None, "no such file"),
        ("absent.csv", None, "No such file"),
        ("damaged.parquet", b"PAR1 and no more", "cannot be read"),
        ("other.csv", b"a,b\n1,2\n", "no column analysis"),
        ("bytes.csv", b"\xff\xfe\x00", "cannot be read"),
    ],
)
def test_what_is_not_results_is_refused(tmp_path: Path, name: str, content: bytes | None, told: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    done = run(str(tmp_path / name))
    assert done.returncode == 11
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_a_number_that_is_none_is_refused_with_its_row(finished: Path, tmp_path: Path) -> None:
    text = (finished / "results" / "estimates.csv").read_text().splitlines()
    cells = text[1].split(",")
    at = text[0].split(",").index("stat")
    text[1] = ",".join([*cells[:at], "4,2x".replace(",", "."), *cells[at + 1 :]])
    (tmp_path / "x.csv").write_text("\n".join(text) + "\n")
    with pytest.raises(DataError, match=r"row 2, stat"):
        read_results(tmp_path / "x.csv")
