import builtins
import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from pipanalysis.derive.allocation import allocate
from pipanalysis.errors import DataError
from pipanalysis.files import write_parquet
from pipanalysis.study.load import Study, load_study

Make = Callable[..., Path]
N = 40


def study_with(folder: Path, allocation: str | None, *, masked: bool = False) -> Study:
    path = folder / "config" / "study.yaml"
    if masked:
        path.write_text(path.read_text().replace("blinding: open", "blinding: masked"))
    study = load_study(folder)
    units = [f"D{i:03d}" for i in range(N)]
    participants = pd.DataFrame(
        {
            "unit": units,
            "site": ["site_a", "site_b"] * (N // 2),
            "randomised": [True] * (N - 1) + [False],
            "randomisation_date": pd.Timestamp("2006-01-01"),
            **{f"in_{s.name}": True for s in study.plan.analysis_sets},
        }
    )
    write_parquet(study.layout.participants, participants)
    sessions = pd.DataFrame({"unit": ["D000"] * 8 + ["D002"] * 7, "attended": "1"})
    write_parquet(study.layout.closed_events("sessions"), sessions)
    contacts = pd.DataFrame(
        {"unit": ["D000", "D001"], "contact_date": pd.to_datetime(["2006-02-01"] * 2), "service": ["4", "1"]}
    )
    write_parquet(study.layout.closed_events("contacts"), contacts)
    due = {"baseline": "2006-01-01", "month6": "2006-07-01", "month12": "2007-01-01"}
    visits = [(unit, visit, pd.Timestamp(day), pd.NaT) for unit in units for visit, day in due.items()]
    assessments = pd.DataFrame(visits, columns=["unit", "visit", "target_date", "visit_date"])
    write_parquet(study.layout.assessments, assessments)
    if allocation is not None:
        study.layout.raw.mkdir(parents=True, exist_ok=True)
        (study.layout.raw / "allocation.csv").write_text(allocation)
    return study


def rows(**changes: str) -> str:
    arms = {f"D{i:03d}": "PIP" if i % 2 == 0 else "TAU" for i in range(N - 1)} | changes
    return "dyad_id,arm\n" + "".join(f"{unit},{arm}\n" for unit, arm in arms.items() if arm)


def test_real_allocation(study_folder: Make) -> None:
    study = study_with(study_folder(), rows(D001="control"))
    allocate(study)
    table = pd.read_parquet(study.layout.analysis_participants).set_index("unit")
    assert len(table) == N - 1
    assert table.loc[["D000", "D001", "D002", "D003"], "arm"].tolist() == ["pip", "control", "pip", "control"]
    # Eight sessions are asked of the arm that is offered sessions: D000 had 8, D002 had 7, D004 none.
    assert table.loc[["D000", "D001", "D002", "D004"], "in_per_protocol"].tolist() == [True, True, False, False]
    record = json.loads(study.layout.allocation_record.read_text())
    assert record["allocation"] == "real"
    assert record["units_by_arm"] == {"control": 19, "pip": 20}
    # Of the two contacts one is with other psychological treatment, before the visit at 6 months.
    assert table["after_other_treatment"].dropna().to_dict() == {"D000": "month6"}
    assert record["intercurrent_events"] == {"other_treatment": {"units": 1, "before_randomisation": 0}}


def test_every_problem_of_the_allocation_is_named(study_folder: Make) -> None:
    study = study_with(study_folder(), rows(D001="placebo", D002="", D999="PIP") + "D003,PIP\n")
    with pytest.raises(DataError) as caught:
        allocate(study)
    said = str(caught.value)
    assert caught.value.exit_status == 11
    assert len(caught.value.problems) == 4
    for part in (
        "row 3, unit 'D001'",
        "arm 'placebo'",
        "unit 'D003' in rows 4, 41",
        "no row for unit 'D002'",
        "unit 'D999'",
    ):
        assert part in said
    assert not study.layout.analysis_participants.exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "no such file"),
        ("", "cannot be read"),
        ("dyad_id,arm\n", "no rows"),
        ("dyad_id;arm\nD1;PIP\n", "a column 'arm'"),
    ],
)
def test_unusable_allocation(study_folder: Make, text: str | None, said: str) -> None:
    with pytest.raises(DataError, match=said):
        allocate(study_with(study_folder(), text))


def test_masked_allocation_opens_nothing_that_reveals_the_arm(
    study_folder: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = study_with(study_folder(), rows(), masked=True)
    opened: list[str] = []
    plain = builtins.open

    def watched(file: object, *arguments: object, **named: object) -> object:
        opened.append(str(file))
        return plain(file, *arguments, **named)  # type: ignore[call-overload]

    monkeypatch.setattr(builtins, "open", watched)
    closed = [study.layout.closed_events(table) for table in ("sessions", "contacts")]
    for path in (study.layout.raw / "allocation.csv", *closed):
        path.unlink()
    allocate(study)
    assert not [name for name in opened if "allocation.csv" in name or "closed" in name]
    table = pd.read_parquet(study.layout.analysis_participants)
    first = table["arm"].tolist()
    by_site = pd.crosstab(table["site"], table["arm"])
    assert (by_site["pip"] - by_site["control"]).abs().max() <= 1
    allocate(study)
    assert pd.read_parquet(study.layout.analysis_participants)["arm"].tolist() == first
    record = json.loads(study.layout.allocation_record.read_text())
    assert record["allocation"] == "masked"
    assert record["sets_without_their_condition_on_sessions"] == ["per_protocol"]
    assert record["intercurrent_events"] == {"other_treatment": {"not_read": True}}
    assert table["after_other_treatment"].isna().all()
