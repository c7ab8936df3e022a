"""Values of single units are written only where the files that they were read from are made up or published."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipanalysis.derive.allocation import allocate
from pipanalysis.derive.step import derive
from pipanalysis.errors import DataError, DisclosureError
from pipanalysis.estimate.single_units import public_checksums, refuse_single_units
from pipanalysis.estimate.step import estimate
from pipanalysis.intake.step import intake
from pipanalysis.simulate.guard import unlike
from pipanalysis.simulate.step import simulate
from pipanalysis.study.layout import Layout
from pipanalysis.study.load import Study, load_study

BEAT_THE_BLUES = Path(__file__).resolve().parents[2] / "examples" / "beat-the-blues"
EXAMPLE = load_study(BEAT_THE_BLUES)


@pytest.fixture
def published(study_folder: Callable[..., Path]) -> Study:
    """Beat the Blues with its raw files, which a test may change."""
    folder = study_folder(BEAT_THE_BLUES)
    shutil.copytree(BEAT_THE_BLUES / "data" / "raw", folder / "data" / "raw")
    return load_study(folder)


def prepare(study: Study) -> None:
    intake(study)
    derive(study)
    allocate(study)


def with_another_value(study: Study) -> None:
    path = study.layout.raw / "bdi.csv"
    text = path.read_text(encoding="utf-8")
    assert text.count("2,Yes,>6m,32,16,") == 1
    path.write_text(text.replace("2,Yes,>6m,32,16,", "2,Yes,>6m,32,17,"), encoding="utf-8")


def test_published_files_give_values_of_single_units(published: Study) -> None:
    prepare(published)
    estimate(published, "describe")
    results = pd.read_parquet(published.layout.family("describe"))
    assert (results["stat_name"] == "course_value").any()


def test_another_value_is_refused_before_anything_is_written(published: Study) -> None:
    with_another_value(published)
    prepare(published)
    with pytest.raises(DisclosureError) as refused:
        estimate(published, "describe")
    (problem,) = refused.value.problems
    assert problem.where == "data/raw/bdi.csv"
    assert problem.found.endswith("when it was read")
    assert problem.allowed == "5a7b6554a1aaae6d, as published (BtheB in the R package HSAUR3)"
    assert problem.hint == (
        "courses: single (analysis.yaml, descriptives) shows single patients; of confidential data, courses: 10"
    )
    assert not published.layout.results.exists()
    estimate(published, "ancova")  # asks for no single unit


def test_a_file_that_was_exchanged_after_it_was_read_does_not_count(published: Study) -> None:
    with_another_value(published)
    prepare(published)
    shutil.copyfile(BEAT_THE_BLUES / "data" / "raw" / "bdi.csv", published.layout.raw / "bdi.csv")
    assert unlike(published, public_checksums(published)) == []
    with pytest.raises(DisclosureError, match="bdi"):
        estimate(published, "describe")


def test_another_allocation_is_refused_and_one_that_was_not_read_is_not_asked_for(published: Study) -> None:
    path = published.layout.raw / "allocation.csv"
    path.write_text(path.read_text(encoding="utf-8").replace("\n1,TAU\n", "\n1,BtheB\n"), encoding="utf-8")
    prepare(published)
    with pytest.raises(DisclosureError) as refused:
        refuse_single_units(published, "describe")
    assert [problem.where for problem in refused.value.problems] == ["data/raw/allocation.csv"]
    config = published.layout.config / "study.yaml"
    config.write_text(config.read_text(encoding="utf-8").replace("blinding: open", "blinding: masked"))
    masked = load_study(published.layout.root)
    path.unlink()
    allocate(masked)
    refuse_single_units(masked, "describe")


def test_without_the_records_of_what_was_read_nothing_is_shown(published: Study) -> None:
    prepare(published)
    published.layout.intake_record.unlink()
    with pytest.raises(DataError, match="intake"):
        refuse_single_units(published, "describe")


def test_a_synthetic_study_shows_what_was_read_from_files_that_simulate_wrote(
    study_folder: Callable[..., Path],
) -> None:
    study = load_study(study_folder())
    simulate(study)
    intake(study)
    study.layout.allocation_record.parent.mkdir(parents=True)
    study.layout.allocation_record.write_text('{"allocation": "masked"}', encoding="utf-8")
    refuse_single_units(study, "describe")
    record = json.loads(study.layout.intake_record.read_text(encoding="utf-8"))
    record["files"][0]["sha256"] = "0" * 64
    study.layout.intake_record.write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(DisclosureError) as refused:
        refuse_single_units(study, "describe")
    (problem,) = refused.value.problems
    assert (problem.where, problem.found) == (record["files"][0]["file"], "sha256 0000000000000000 when it was read")
    assert problem.allowed.endswith(", as `simulate` wrote them")


@given(st.data())
def test_any_other_byte_makes_another_file(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        study = replace(EXAMPLE, layout=Layout(Path(folder)))
        shutil.copytree(EXAMPLE.layout.raw, study.layout.raw)
        name = data.draw(st.sampled_from(sorted(public_checksums(study))))
        content = (study.layout.raw / name).read_bytes()
        at = data.draw(st.integers(0, len(content) - 1))
        piece = data.draw(st.binary(max_size=2))
        changed = content[:at] + piece + content[at + 1 :]
        (study.layout.raw / name).write_bytes(changed)
        assert unlike(study, public_checksums(study)) == ([name] if changed != content else [])
