"""A finished small study (Beat the Blues), made step by step in this process."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from pipanalysis.derive.allocation import allocate
from pipanalysis.derive.step import derive
from pipanalysis.display.step import tables
from pipanalysis.estimate.step import collect, estimate
from pipanalysis.intake.step import intake
from pipanalysis.reproduce.manifest import manifest
from pipanalysis.reproduce.verify import read_results
from pipanalysis.study.load import load_study


def run_study(folder: Path) -> None:
    """Carry out every step of a study that has its raw files."""
    study = load_study(folder)
    intake(study)
    derive(study)
    if any(file.closed for file in study.config.files):
        intake(study, closed=True)
    allocate(study)
    for family in study.families():
        estimate(study, family)
    collect(study)
    tables(study)
    manifest(study)


@pytest.fixture(scope="session")
def finished_once(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished") / "study"
    shutil.copytree(root / "examples" / "beat-the-blues" / "config", folder / "config")
    shutil.copytree(root / "examples" / "beat-the-blues" / "data" / "raw", folder / "data" / "raw")
    run_study(folder)
    return folder


@pytest.fixture(scope="session")
def grouped_once(finished_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The finished study as one of confidential data: courses of groups, and no entry of the register."""
    folder = Path(shutil.copytree(finished_once, tmp_path_factory.mktemp("grouped") / "study"))
    for name, old, new in (
        ("analysis.yaml", "courses: single", "courses: 10"),
        ("study.yaml", "  published: beat_the_blues\n", ""),
    ):
        path = folder / "config" / name
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1
        path.write_text(text.replace(old, new), encoding="utf-8")
    study = load_study(folder)
    estimate(study, "describe")
    collect(study)
    return folder


@pytest.fixture(scope="session")
def results(finished_once: Path) -> pd.DataFrame:
    """The finished study's collected results."""
    return read_results(finished_once / "results")


@pytest.fixture
def finished(finished_once: Path, tmp_path: Path) -> Path:
    """The finished study, in a folder that the test may change."""
    return Path(shutil.copytree(finished_once, tmp_path / "study"))


@pytest.fixture(scope="session")
def rerun() -> Callable[[Path], None]:
    """Return the function that carries out every step."""
    return run_study
