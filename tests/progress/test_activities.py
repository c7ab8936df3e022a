"""The study of interviews and focus groups: what is still to be done, by hand."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pipanalysis.derive.allocation import allocate
from pipanalysis.derive.step import derive
from pipanalysis.errors import ConfigError
from pipanalysis.estimate.step import collect
from pipanalysis.intake.step import intake
from pipanalysis.progress.activities import activity_counts, cumulative_by_group, to_do, vouchers, without_consent
from pipanalysis.progress.data import ProgressData, read_progress
from pipanalysis.progress.step import progress
from pipanalysis.study.load import load_study

CONTACTS = """contact_id,stakeholder,age_group,contact_date,consent_date,withdrawal_date,withdrawal_reason
C1,young_person,13-17,2025-01-10,2025-01-20,,
C2,young_person,18-25,2025-01-10,2025-01-20,,
C3,young_person,18-25,2025-01-10,2025-01-20,2025-02-20,no_time
C4,clinician,,2025-01-10,2025-02-10,,
C5,clinician,,2025-01-10,2025-02-15,,
C6,organisation,,2025-01-10,,,
C7,young_person,18-25,2025-01-10,2025-03-10,,
"""
ACTIVITIES = """contact_id,activity_date,kind,focus_group,voucher
C1,2025-02-01,focus_group,FG1,1
C2,2025-02-01,focus_group,FG1,0
C2,2025-02-20,interview,,1
C6,2025-02-03,interview,,
C7,2025-03-20,interview,,1
"""


@pytest.fixture
def data(root: Path, tmp_path: Path) -> ProgressData:
    shutil.copytree(root / "examples" / "social-prescribing" / "config", tmp_path / "config")
    (tmp_path / "data" / "raw").mkdir(parents=True)
    (tmp_path / "data" / "raw" / "contacts.csv").write_text(CONTACTS)
    (tmp_path / "data" / "raw" / "activities.csv").write_text(ACTIVITIES)
    study = load_study(tmp_path)
    intake(study)
    return read_progress(study, "2025-03-05")


def test_what_is_still_to_be_done(data: ProgressData) -> None:
    rows = [(r["what"], r["unit"], r["days"]) for r in to_do(data).to_dict("records")]
    # C3 withdrew; C5 consented 18 days ago, fewer than 21; C6 never did; C7 comes after the day.
    assert rows == [("voucher", "C2", 32), ("meet", "C4", 23)]


def test_counts_are_of_people_who_consented(data: ProgressData) -> None:
    groups = {"young_person": "Young people", "organisation": "Organisations"}
    counts = {(c.group, c.kind): c for c in activity_counts(data, groups, {"interview": "I", "focus_group": "F"})}
    together = counts["young_person", "focus_group"]
    assert (together.people, together.target, together.sessions, together.largest) == (2, 20, 1, 2)
    assert counts["young_person", "interview"].people == 1
    assert counts["organisation", "interview"].people == 0
    assert without_consent(data) == 1
    paid = vouchers(data)
    assert paid is not None
    assert (paid.due, paid.issued, paid.value, paid.currency) == (3, 2, 10, "£")
    over_time = cumulative_by_group(data, groups)
    assert over_time["people"].tolist() == [2]


@pytest.mark.parametrize("step", [derive, allocate, collect])
def test_a_step_of_the_analysis_is_refused(data: ProgressData, step: Callable[..., str]) -> None:
    with pytest.raises(ConfigError, match="a study without arms and without analysis"):
        step(data.study)


def test_the_page_names_no_arm_and_no_visit(data: ProgressData) -> None:
    progress(data.study, as_of="2025-03-05")
    page = data.study.layout.progress_page.read_text(encoding="utf-8").partition("<script type=")[0]
    assert "A study without arms and without analysis." in page
    assert "Not counted: 1 activity of people whose consent is not on record." in page
    assert "randomised" not in page
    assert "window" not in page
