"""The progress page in the workflow: it can reach nothing that knows an arm, whatever stands in those files."""

from __future__ import annotations

import csv
import hashlib
import html
import re
import shutil
import zipfile
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from pipanalysis.files import sha256
from pipanalysis.progress.inputs import progress_inputs
from pipanalysis.progress.step import progress
from pipanalysis.reproduce.fingerprint import PACKAGE, _closure
from pipanalysis.study.load import load_study
from workflow.conftest import Workflow

AS_OF = ("--config", "as_of=2007-06-18")
MARKER = "MARKED7391"


@pytest.fixture(scope="module")
def folder(root: Path, workflow: Workflow, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("progress")
    shutil.copytree(root / "config", folder / "config")
    run = workflow(folder, "progress", *AS_OF)
    assert run.status == 0, run.said
    assert set(run.jobs) == {"simulate", "intake", "derive", "progress"}
    return folder


def made(folder: Path) -> dict[str, str]:
    files = [p for part in ("results/progress", "data/progress") for p in (folder / part).rglob("*") if p.is_file()]
    return {p.relative_to(folder).as_posix(): sha256(p) for p in files}


def everything(folder: Path) -> dict[str, bytes]:
    """Every byte that the page, its lists and its history hold, workbooks unpacked."""
    found = {}
    for name in made(folder):
        path = folder / name
        found[name] = path.read_bytes()
        if path.suffix == ".xlsx":
            with zipfile.ZipFile(path) as archive:
                found |= {f"{name}/{part}": archive.read(part) for part in archive.namelist()}
    return found


def test_no_step_on_the_way_reads_the_allocation_or_a_closed_file(folder: Path, workflow: Workflow) -> None:
    run = workflow(folder, "--dry-run", "--forceall", "progress", *AS_OF)
    assert set(run.jobs) == {"simulate", "intake", "derive", "progress"}
    inputs = [line for line in run.said.splitlines() if line.strip().startswith("input:")]
    assert inputs
    assert not any(
        word in line for line in inputs for word in ("allocation", "sessions", "closed", "analysis/", "estimates")
    )


def test_no_code_of_it_can_join_the_arm() -> None:
    reached = {path.relative_to(PACKAGE).as_posix() for path in _closure(["progress.step"])}
    assert "progress/data.py" in reached
    assert "derive/allocation.py" not in reached
    for path in (PACKAGE / "progress").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(
            r"closed_|analysis_participants|allocation_record|layout\.allocation|study\.allocation", text
        ), path


def test_it_is_made_from_its_inputs_alone(folder: Path, tmp_path: Path) -> None:
    """The same page from a folder that holds nothing but the configuration and the inputs that the workflow names."""
    shutil.copytree(folder / "config", tmp_path / "config")
    for path in progress_inputs(load_study(folder)):
        to = tmp_path / path.relative_to(folder)
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, to)
    progress(load_study(tmp_path), as_of="2007-06-18")
    assert made(tmp_path) == made(folder)


def test_whatever_stands_in_the_allocation_and_the_sessions_changes_no_byte(folder: Path, workflow: Workflow) -> None:
    before = made(folder)
    assert len(before) >= 10
    raw = folder / "data" / "raw"
    kept = {name: (raw / name).read_bytes() for name in ("allocation.csv", "sessions.csv", "truth.json")}
    try:
        with (raw / "allocation.csv").open(newline="", encoding="utf-8") as handle:
            rows = list(csv.reader(handle))
        swapped = {"control": "pip", "pip": "control"}
        with (raw / "allocation.csv").open("w", newline="", encoding="utf-8") as handle:
            csv.writer(handle).writerows([[unit, f"{swapped.get(arm, arm)}{MARKER}"] for unit, arm in rows])
        text = (raw / "sessions.csv").read_text(encoding="utf-8")
        marked = "\n".join(f"{line}{MARKER}" for line in text.splitlines())
        (raw / "sessions.csv").write_text(marked, encoding="utf-8")
        sums = {name: sha256(raw / name) for name in ("allocation.csv", "sessions.csv")}
        truth = (raw / "truth.json").read_text(encoding="utf-8")
        for name, new in sums.items():
            truth = truth.replace(hashlib.sha256(kept[name]).hexdigest(), new)
        (raw / "truth.json").write_text(truth, encoding="utf-8")
        shutil.rmtree(folder / "data" / "progress")
        run = workflow(folder, "progress", *AS_OF, "--forcerun", "intake", "derive", "progress")
        assert run.status == 0, run.said
        assert "simulate" not in run.jobs
        assert made(folder) == before
        assert not [name for name, content in everything(folder).items() if MARKER.encode() in content]
    finally:
        for name, content in kept.items():
            (raw / name).write_bytes(content)


def test_no_value_of_the_sessions_file_is_in_any_output(folder: Path) -> None:
    with (folder / "data" / "raw" / "sessions.csv").open(newline="", encoding="utf-8") as handle:
        therapists = {row["therapist"] for row in csv.DictReader(handle)} - {""}
    assert len(therapists) >= 4
    for name, content in everything(folder).items():
        assert not re.search(rb"therapist|allocation\.csv|sessions\.csv", content), name
        assert not [
            t for t in therapists if re.search(rb"\b" + re.escape(t.encode()) + rb"\b", _without_vega(name, content))
        ]


def _without_vega(name: str, content: bytes) -> bytes:
    """A page without the charts' program, in whose half a million letters any short name stands."""
    return re.sub(rb"<script>.*?</script>", b"", content, flags=re.DOTALL) if name.endswith(".html") else content


def test_it_is_made_with_every_closed_file_gone(folder: Path, workflow: Workflow) -> None:
    before = made(folder)
    run = workflow(folder, "progress", *AS_OF, "--forcerun", "progress")
    assert run.status == 0, run.said
    assert not (folder / "data" / "derived" / "closed").exists()
    assert not (folder / "data" / "derived" / "analysis").exists()
    assert made(folder) == before


def test_nothing_changed_nothing_done_and_another_day_is_another_page(folder: Path, workflow: Workflow) -> None:
    assert "Nothing to be done" in workflow(folder, "progress", *AS_OF).said
    run = workflow(folder, "--dry-run", "progress", "--config", "as_of=2007-06-25")
    assert set(run.jobs) == {"progress"}


def test_counts_on_the_page_are_those_of_the_checked_log(folder: Path) -> None:
    log = pd.read_parquet(folder / "data" / "derived" / "checked" / "events_screening.parquet")
    log = log[~(log["screening_date"] > "2007-06-18")]
    page = (folder / "results" / "progress" / "index.html").read_text(encoding="utf-8")
    text = re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", page.partition("<script type=")[0])))
    assert f"Of {len(log)} screened, {100 * log['eligible'].eq('1').mean():.0f}% were eligible" in text
    assert "SYNTHETIC DATA" in text


def test_the_second_study_has_no_analysis_and_says_so(root: Path, workflow: Workflow, tmp_path: Path) -> None:
    source = root / "examples" / "social-prescribing"
    shutil.copytree(source / "config", tmp_path / "config")
    shutil.copytree(source / "data" / "raw", tmp_path / "data" / "raw")
    assert {path.suffix for path in (source / "config").rglob("*") if path.is_file()} == {".yaml"}
    run = workflow(tmp_path)
    assert run.status == 0, run.said
    assert set(run.jobs) - {"all"} == {"intake", "progress"}
    assert "social_prescribing: a study without arms and without analysis; only its progress is made." in run.said
    text = re.sub(
        r"\s+", " ", re.sub(r"<[^>]+>", " ", (tmp_path / "results/progress/index.html").read_text(encoding="utf-8"))
    )
    with (source / "data" / "raw" / "contacts.csv").open(newline="", encoding="utf-8") as handle:
        consented = {
            r["contact_id"]: r
            for r in csv.DictReader(handle)
            if r["consent_date"] and r["consent_date"] <= "2025-06-30"
        }
    with (source / "data" / "raw" / "activities.csv").open(newline="", encoding="utf-8") as handle:
        acts = [
            r for r in csv.DictReader(handle) if r["activity_date"] <= "2025-06-30" and r["contact_id"] in consented
        ]
    assert f"{len(consented)} contacts of 56 consented" in text
    assert f"{len({r['contact_id'] for r in acts})} people took part so far." in text
    young = [r for r in acts if consented[r["contact_id"]]["stakeholder"] == "young_person"]
    issued = sum(r["voucher"] == "1" for r in young)
    assert f"Vouchers of £10: {issued} of {len(young)} issued (£{10 * issued} in all)" in text
    talked = {
        r["contact_id"]
        for r in acts
        if r["kind"] == "interview" and consented[r["contact_id"]]["stakeholder"] == "clinician"
    }
    assert re.search(rf"Clinicians, interview {len(talked)} 8 ", text)
    sizes = Counter(r["focus_group"] for r in acts if r["kind"] == "focus_group")
    assert max(sizes.values()) <= 5
    assert re.search(rf"Young people, focus group {sum(sizes.values())} 20 \d+% {len(sizes)} ", text)
