"""Treatment received in the PIP study, from raw files: the numbers of the sessions table, open and masked."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from estimate.trials import row, stat
from pipanalysis.derive.allocation import allocate
from pipanalysis.derive.step import derive
from pipanalysis.estimate.sessions import MASKED
from pipanalysis.estimate.step import family_results
from pipanalysis.estimate.trial_data import read_trial_data
from pipanalysis.intake.step import intake
from pipanalysis.simulate.step import simulate
from pipanalysis.study.load import Study, load_study

VISIT, OUTCOME = "month12", "cesd_total"


@pytest.fixture(scope="module")
def folder(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("received")
    shutil.copytree(root / "config", made / "config")
    study = load_study(made)
    simulate(study, clean=True)
    intake(study)
    derive(study)
    intake(study, closed=True)
    allocate(study)
    return made


@pytest.fixture(scope="module")
def study(folder: Path) -> Study:
    return load_study(folder)


@pytest.fixture(scope="module")
def results(study: Study) -> pd.DataFrame:
    return family_results(read_trial_data(study), "treatment_received")


@pytest.fixture(scope="module")
def in_model(study: Study) -> pd.DataFrame:
    """Units of the arm with sessions that have the outcome at the visit and at baseline, with what they attended."""
    people = pd.read_parquet(study.layout.analysis_participants)
    scores = pd.read_parquet(study.layout.scores)
    own = scores[scores["score"] == "cesd.total"].pivot(index="unit", columns="visit", values="value")
    known = own.index[own["baseline"].notna() & own[VISIT].notna()]
    units = people[(people["arm"] == "pip") & people["unit"].isin(known)].set_index("unit")
    sessions = pd.read_parquet(study.layout.closed_events("sessions"))
    sessions = sessions[(sessions["attended"] == "1") & sessions["unit"].isin(units.index)]
    due = sessions["unit"].map(units["randomisation_date"] + pd.DateOffset(years=1))
    in_time = sessions[~(sessions["session_date"] > due)]
    seen = sessions.groupby("unit")["therapist"].agg(lambda names: names.mode().iloc[0])
    return units.assign(
        number=in_time.groupby("unit").size().reindex(units.index).fillna(0), therapist=seen.reindex(units.index)
    )


def test_therapists_and_sessions_are_those_of_the_table(results: pd.DataFrame, in_model: pd.DataFrame) -> None:
    where = {"outcome": OUTCOME, "visit": VISIT, "arm": "pip"}
    nested = {"analysis": "therapists", **where}
    assert stat(results, "n", **nested) == len(in_model)
    assert stat(results, "n_therapists", **nested) == in_model["therapist"].nunique()
    assert stat(results, "n_without_therapist", **nested) == in_model["therapist"].isna().sum()
    complier = {"analysis": "cace", **where}
    assert stat(results, "mean", **complier) == pytest.approx(in_model["number"].mean())
    assert stat(results, "n_level", **complier) == (in_model["number"] >= 8).sum()


def test_the_effect_of_receiving_times_the_first_stage_is_the_effect_of_the_offer(
    study: Study, results: pd.DataFrame
) -> None:
    """By algebra, where the covariates are the same: the analysis of covariance is the reduced form."""
    offered = family_results(read_trial_data(study), "ancova")
    where = {"outcome": OUTCOME, "visit": VISIT}
    effect = stat(offered, "estimate", analysis="ancova", contrast="pip - control", **where)
    for context in ("exposure=at least 8 sessions", "exposure=per 10 sessions"):
        own = {"analysis": "cace", "context": context, **where}
        received = stat(results, "estimate", contrast="pip - control", **own)
        assert received * stat(results, "first_stage", **own) == pytest.approx(effect, rel=1e-6)


def test_a_masked_study_has_failed_rows_that_say_why(folder: Path, tmp_path: Path) -> None:
    masked = tmp_path / "masked"
    shutil.copytree(folder, masked)
    path = masked / "config" / "study.yaml"
    text = path.read_text(encoding="utf-8")
    assert "blinding: open" in text
    path.write_text(text.replace("blinding: open", "blinding: masked"), encoding="utf-8")
    study = load_study(masked)
    allocate(study)
    study.layout.closed_events("sessions").unlink()
    results = family_results(read_trial_data(study), "treatment_received")
    assert (results.loc[results["stat_name"] == "fit_status", "error"] == MASKED).all()
    for name, context in (("therapists", ""), ("cace", "exposure=per 10 sessions")):
        where = {"analysis": name, "outcome": OUTCOME, "visit": VISIT, "contrast": "pip - control", "context": context}
        found = row(results, "estimate", **where)
        assert np.isnan(found["stat"])
        assert found["error"] == MASKED
