"""Verification as a whole: plan, data and files, the results alone, and the command."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from pipanalysis.errors import DataError
from pipanalysis.reproduce.manifest import manifest
from pipanalysis.reproduce.verify import read_results, store, verify, write_page
from pipanalysis.study.load import load_study

# ---- compared with a repetition


def test_the_same_results_are_reproduced(finished: Path, results: pd.DataFrame) -> None:
    found = verify(finished / "results", finished / "results")
    assert found.good
    assert found.verdict == f"REPRODUCED: all {len(results)} numbers ({len(results)} identical)."
    by_text = verify(finished / "results" / "estimates.csv", finished / "results" / "estimates.parquet")
    assert by_text.numbers == {"identical": len(results)}


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
