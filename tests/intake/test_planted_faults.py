"""Intake finds every planted fault of a synthetic trial, where it is, and asks nothing of the clean twin."""

import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pandas as pd
import pytest

from pipanalysis.intake.rules import RULES
from pipanalysis.intake.step import intake
from pipanalysis.simulate.faults import KINDS
from pipanalysis.simulate.step import simulate
from pipanalysis.study.load import Study, load_study

ON = ["rule", "file", "row", "variable"]
CONFIGURED = 20160305
"""the seed of the PIP study's simulation.yaml"""


def received(study: Study) -> pd.DataFrame:
    intake(study)
    intake(study, closed=True)
    paths = (study.layout.queries, study.layout.closed_queries)
    return pd.concat([pd.read_csv(path, dtype=str, keep_default_na=False) for path in paths], ignore_index=True)


Trial = Callable[[int, bool], tuple[Study, pd.DataFrame]]


@pytest.fixture(scope="module")
def trial(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Trial:
    """Return a function that gives the trial of a seed, clean or not, and its queries; tests do not change it."""

    @cache
    def made(seed: int, clean: bool) -> tuple[Study, pd.DataFrame]:
        folder = tmp_path_factory.mktemp("trial")
        shutil.copytree(root / "config", folder / "config")
        study = load_study(folder)
        simulate(study, seed=seed, clean=clean)
        return study, received(study)

    return made


@pytest.mark.parametrize("seed", [CONFIGURED, 1, 2])
def test_every_planted_fault_of_every_kind_is_found_and_nothing_else(trial: Trial, seed: int) -> None:
    study, queries = trial(seed, False)
    key = pd.read_csv(study.layout.faults, dtype=str, keep_default_na=False)
    assert set(key["fault"]) == set(KINDS)
    expected = key[key["rule"] != ""]
    both = expected.merge(queries, on=ON, how="outer", indicator=True)
    found = both.groupby("fault")["_merge"].agg(lambda merged: (merged == "both").mean())
    assert found.to_dict() == dict.fromkeys(set(expected["fault"]), 1.0)
    assert both[both["_merge"] == "right_only"].empty
    assert queries["query_id"].is_unique
    # A missing code is a missing value and no query.
    visits = pd.read_parquet(study.layout.checked_visits).set_index(["unit", "visit"])
    coded = key[(key["fault"] == "missing_code") & (key["visit"] != "") & key["file"].str.contains("visit_")]
    assert len(coded) >= 6
    for row in coded.itertuples():
        assert pd.isna(visits.loc[(row.unit, row.visit), row.variable])


@pytest.mark.parametrize("seed", [CONFIGURED, 1, 2, 3, 4])
def test_the_clean_twin_raises_no_query(trial: Trial, seed: int) -> None:
    assert trial(seed, True)[1].empty


def test_faults_lose_nobody_and_alter_nothing_else(trial: Trial) -> None:
    (clean, _), (dirty, _) = trial(CONFIGURED, True), trial(CONFIGURED, False)
    key = pd.read_csv(dirty.layout.faults, dtype=str, keep_default_na=False)
    touched = set(zip(key["unit"], key["visit"], key["variable"], strict=True))
    before, after = (
        pd.read_parquet(study.layout.checked_visits).set_index(["unit", "visit"]) for study in (clean, dirty)
    )
    assert before.index.equals(after.index)
    differing = {
        (unit, visit, column)
        for column in before
        for (unit, visit), same in (
            (before[column] == after[column]) | (before[column].isna() & after[column].isna())
        ).items()
        if not same
    }
    ages = {(unit, visit, column) for unit, visit, column in differing if column == "infant_age"}
    assert differing - ages <= touched
    people = pd.read_parquet(dirty.layout.checked_participants)
    assert people["unit"].tolist() == pd.read_parquet(clean.layout.checked_participants)["unit"].tolist()
    assert people["randomised"].all()


def test_every_rule_is_explained(root: Path) -> None:
    page = (root / "docs" / "data-queries.md").read_text(encoding="utf-8")
    for rule, known in RULES.items():
        assert f"| `{rule}` | {known.severity} | {known.meaning} |" in page


def test_query_ids_stay_when_rows_move(trial: Trial, tmp_path: Path) -> None:
    original, before = trial(CONFIGURED, False)
    study = load_study(Path(shutil.copytree(original.layout.root, tmp_path / "study")))
    path = study.layout.raw / "participants.csv"
    header, *rows = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(header + b"".join(reversed(rows)))
    after = received(study)
    own = lambda table: set(table.loc[~table["rule"].isin(["duplicate-row", "conflicting-values"]), "query_id"])  # noqa: E731
    assert own(before) == own(after)
