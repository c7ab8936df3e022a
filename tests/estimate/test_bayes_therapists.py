"""Which therapist a unit had: the one of most of its sessions, where sessions are offered; never when masked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from pipanalysis.estimate.bayes_therapists import main_therapists
from pipanalysis.estimate.trial_data import TrialData
from pipanalysis.files import write_parquet
from pipanalysis.study.layout import Layout
from pipanalysis.study.load import load_study


@pytest.fixture
def trial(root: Path, tmp_path: Path) -> TrialData:
    study = replace(load_study(root), layout=Layout(tmp_path))
    people = pd.DataFrame({"unit": ["a", "b", "c", "d"], "arm": ["pip", "pip", "pip", "control"]})
    sessions = pd.DataFrame(
        [("a", "T2"), ("a", "T2"), ("a", "T1"), ("b", "T3"), ("b", "T1"), ("d", "T9"), ("a", None)],
        columns=["unit", "therapist"],
    )
    write_parquet(study.layout.closed_events("sessions"), sessions)
    return TrialData(study, people, pd.DataFrame())


def test_most_sessions_decide_and_names_break_ties(trial: TrialData) -> None:
    assert main_therapists(trial) == {"a": 1, "b": 0}


def test_a_masked_study_opens_no_closed_table(trial: TrialData) -> None:
    config = trial.study.config
    masked = config.model_copy(update={"study": config.study.model_copy(update={"blinding": "masked"})})
    hidden = replace(trial, study=replace(trial.study, config=masked))
    trial.study.layout.closed_events("sessions").unlink()
    assert main_therapists(hidden) is None
