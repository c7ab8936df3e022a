import getpass
import hashlib
import json
import shutil
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from pipanalysis.errors import DataError
from pipanalysis.reproduce.environment import linear_algebra, packages, processor
from pipanalysis.reproduce.manifest import changed_outputs, manifest
from pipanalysis.study.load import load_study


def content(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "results" / "manifest.json").read_text())
    return found


def by_path(entries: list[dict[str, str]]) -> dict[str, dict[str, str]]:
    return {entry["path"]: entry for entry in entries}


def test_checksums_are_those_of_the_files(finished: Path) -> None:
    recorded = content(finished)
    files = recorded["inputs"] + recorded["outputs"]
    for entry in files:
        assert entry["sha256"] == hashlib.sha256((finished / entry["path"]).read_bytes()).hexdigest()
    assert [entry["path"] for entry in recorded["inputs"]] == ["data/raw/allocation.csv", "data/raw/bdi.csv"]
    outputs = {path.relative_to(finished).as_posix() for path in (finished / "results").rglob("*") if path.is_file()}
    assert {entry["path"] for entry in recorded["outputs"]} == outputs - {
        "results/manifest.json",
        "results/durations.csv",
    }


def test_versions_seeds_and_machine(finished: Path) -> None:
    recorded = content(finished)
    assert recorded["seeds"] == {"study.yaml: study.seed": 20030217}
    found = recorded["environment"]
    assert found["packages"]["numpy"] == metadata.version("numpy")
    assert found["packages"]["great-tables"] == metadata.version("great-tables")
    assert found["processor"]
    assert found["blas"]
    assert all(set(entry) <= {"internal_api", "version", "architecture", "threading_layer"} for entry in found["blas"])


def test_packages_are_those_of_the_environment_whatever_was_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = packages()
    vendored = tmp_path / "_vendor" / "another-1.0.dist-info"
    vendored.mkdir(parents=True)
    (vendored / "METADATA").write_text("Metadata-Version: 2.1\nName: another\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(str(vendored.parent))
    assert "another" in {dist.metadata["Name"] for dist in metadata.distributions()}
    assert packages() == before
    assert before["pipanalysis"] == metadata.version("pipanalysis")


def test_processor_is_read_where_the_system_tells_it(tmp_path: Path) -> None:
    told = tmp_path / "cpuinfo"
    told.write_text("processor\t: 0\nvendor_id\t: X\nmodel name\t: Example 9000 CPU\nmodel name\t: Other\n")
    assert processor(told) == "Example 9000 CPU"
    assert processor(tmp_path / "absent") != ""
    assert linear_algebra() == linear_algebra()


def test_no_user_name_and_no_place_on_the_disk(finished: Path) -> None:
    for name in ("manifest.json", "durations.csv"):
        text = (finished / "results" / name).read_text()
        for secret in (str(finished), str(Path.home()), str(Path(__file__).resolve().parents[2])):
            assert len(secret) < 2 or secret not in text
        assert "/site-packages" not in text
    user = getpass.getuser()
    assert f'"{user}"' not in (finished / "results" / "manifest.json").read_text()


def test_the_same_study_elsewhere_has_the_same_bytes(
    finished: Path, tmp_path: Path, rerun: Callable[[Path], None]
) -> None:
    again = tmp_path / "another place" / "x"
    for part in ("config", "data/raw"):
        shutil.copytree(finished / part, again / part)
    rerun(again)
    one, other = ((folder / "results" / "manifest.json").read_bytes() for folder in (finished, again))
    assert one == other


def test_only_what_changed_has_another_checksum(finished: Path) -> None:
    before = content(finished)
    plan = finished / "config" / "analysis.yaml"
    plan.write_text("# a comment\n" + plan.read_text())
    manifest(load_study(finished))
    assert content(finished) == before
    plan.write_text(plan.read_text().replace("conf_level: 0.95", "conf_level: 0.9"))
    assert "0.9" in plan.read_text()
    manifest(load_study(finished))
    after = content(finished)
    differing = {path for path, entry in by_path(after["config"]).items() if entry != by_path(before["config"])[path]}
    assert differing == {"config/analysis.yaml"}
    assert {part for part in after if after[part] != before[part]} == {"config"}


def test_a_changed_and_a_missing_output_are_named(finished: Path) -> None:
    results = finished / "results"
    assert changed_outputs(results, content(finished)) == []
    (results / "estimates.csv").write_bytes(b"other")
    table = next((results / "tables").glob("*.html"))
    table.unlink()
    problems = changed_outputs(results, content(finished))
    assert [(problem.where, problem.found.split()[0]) for problem in problems] == [
        ("estimates.csv", "sha256"),
        (f"tables/{table.name}", "no"),
    ]


def test_durations_are_those_of_the_workflow(finished: Path) -> None:
    records = finished / ".snakemake" / "metadata"
    records.mkdir(parents=True)
    (records / "a").write_text(json.dumps({"rule": "derive", "starttime": 10.0, "endtime": 12.5}))
    (records / "b").write_text(json.dumps({"rule": "intake", "starttime": 1.0, "endtime": 2.0}))
    (records / "c").write_text(json.dumps({"rule": "intake", "starttime": 5.0, "endtime": 5.25}))
    (records / "d").write_text(json.dumps({"rule": "tables", "starttime": 13.0}))
    (records / "e").write_text("damaged")
    manifest(load_study(finished))
    assert (finished / "results" / "durations.csv").read_text() == "step,seconds\nintake,0.2\nderive,2.5\n"


def test_without_results_or_with_a_damaged_record_it_says_so(finished: Path) -> None:
    study = load_study(finished)
    study.layout.allocation_record.write_text("{")
    with pytest.raises(DataError, match=r"allocation\.json"):
        manifest(study)
    study.layout.estimates.unlink()
    with pytest.raises(DataError, match="no such file"):
        manifest(study)
