"""The crate: valid by the community's validator, without data, and only of results that are what the manifest says."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pipanalysis.errors import ConfigError, DataError
from pipanalysis.reproduce.crate import crate
from pipanalysis.study.load import load_study

DAY = dt.date(2026, 11, 24)


def graph(folder: Path) -> dict[str, Any]:
    content = json.loads((folder / "ro-crate-metadata.json").read_text(encoding="utf-8"))
    return {entity["@id"]: entity for entity in content["@graph"]}


@pytest.fixture
def made(finished: Path, root: Path, tmp_path: Path) -> Path:
    crate(load_study(finished), root / "Snakefile", tmp_path / "crate", DAY)
    return tmp_path / "crate"


def test_it_is_valid(made: Path, root: Path) -> None:
    done = subprocess.run([root / "tools" / "validate-crate", made], capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1) or not done.stdout:
        pytest.skip(f"the validator cannot be had: {done.stderr.strip().splitlines()[-1:]}")
    said = json.loads(done.stdout.strip().splitlines()[-1])
    assert said["valid"], done.stdout
    assert said["checked"] > 50


def test_every_result_is_in_it_and_no_data(made: Path, finished: Path) -> None:
    found = graph(made)
    run = found["#run"]
    results = {one["@id"] for one in run["result"]}
    manifest = json.loads((finished / "results" / "manifest.json").read_text(encoding="utf-8"))
    assert {entry["path"] for entry in manifest["outputs"]} <= results
    for entry in manifest["outputs"]:
        held = (made / entry["path"]).read_bytes()
        assert hashlib.sha256(held).hexdigest() == entry["sha256"] == found[entry["path"]]["sha256"]
    assert {one["@id"] for one in run["object"]} == {f"#{entry['path']}" for entry in manifest["inputs"]}
    assert not (made / "data").exists()
    raw = {path.read_bytes() for path in (finished / "data" / "raw").rglob("*") if path.is_file()}
    assert raw
    assert not raw & {path.read_bytes() for path in made.rglob("*") if path.is_file()}


def test_no_path_and_no_user_of_the_machine_in_it(made: Path, finished: Path) -> None:
    text = (made / "ro-crate-metadata.json").read_text(encoding="utf-8")
    for private in (str(finished), str(made), str(Path.home())):
        assert private not in text


def test_the_plan_and_what_ran_it_are_in_it(made: Path, finished: Path) -> None:
    found = graph(made)
    assert (made / "config" / "analysis.yaml").read_bytes() == (finished / "config" / "analysis.yaml").read_bytes()
    assert found["./"]["mainEntity"] == {"@id": "Snakefile"}
    assert found["./"]["datePublished"] == "2026-11-24"
    assert "snakemake 9" in found["#pipanalysis"]["softwareRequirements"]


def test_the_same_results_give_the_same_crate(finished: Path, root: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        crate(load_study(finished), root / "Snakefile", tmp_path / name, DAY)
    one, two = ((tmp_path / name / "ro-crate-metadata.json").read_bytes() for name in ("one", "two"))
    assert one == two


def test_a_result_that_changed_is_refused(finished: Path, root: Path, tmp_path: Path) -> None:
    table = finished / "results" / "tables" / "effects.csv"
    table.write_text(table.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"tables/effects\.csv"):
        crate(load_study(finished), root / "Snakefile", tmp_path / "crate", DAY)
    assert not (tmp_path / "crate").exists()


@pytest.mark.parametrize(
    ("workflow", "out", "said"),
    [
        ("Snakefile", "results/crate", "within the results"),
        ("Snakefile", "config", "there already"),
        ("x", "c", "no such"),
    ],
)
def test_refusals(finished: Path, root: Path, workflow: str, out: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        crate(load_study(finished), root / workflow, finished / out, DAY)


def test_one_that_breaks_off_leaves_nothing(
    finished: Path, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rocrate.rocrate import ROCrate

    def half(_: object, folder: Path) -> None:
        (folder / "half").write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ROCrate, "write", half)
    with pytest.raises(OSError, match="No space left"):
        crate(load_study(finished), root / "Snakefile", tmp_path / "crates" / "crate", DAY)
    assert list((tmp_path / "crates").iterdir()) == []
