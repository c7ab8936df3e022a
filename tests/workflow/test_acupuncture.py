"""Vickers et al. 2004 (BMJ 328:744): the workflow reproduces the published numbers from configuration alone."""

import html
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from pipanalysis.display.figure_model import EMPTY_FIGURE
from pipanalysis.display.grid import EMPTY
from pipanalysis.study.load import load_study
from workflow.conftest import Workflow


@pytest.fixture(scope="module")
def folder(shared: Path, root: Path, workflow: Workflow, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("acupuncture")
    shutil.copytree(root / "tests" / "fixtures" / "acupuncture" / "config", folder / "config")
    trial = pd.read_csv(shared / "reference" / "data" / "acupuncture.csv", dtype=str)
    patients = trial.drop_duplicates("id")
    baseline = patients.assign(time="0", head=patients["head_base"])
    raw = folder / "data" / "raw"
    raw.mkdir(parents=True)
    patients[["id", "age", "sex", "migraine", "chronicity"]].to_csv(raw / "patients.csv", index=False)
    pd.concat([baseline, trial])[["id", "time", "head"]].to_csv(raw / "headache.csv", index=False)
    patients[["id", "treat"]].to_csv(raw / "allocation.csv", index=False)
    run = workflow(folder)
    assert run.status == 0, run.said
    return folder


@pytest.fixture(scope="module")
def estimates(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "results" / "estimates.csv", keep_default_na=False)


def value(estimates: pd.DataFrame, stat: str, **where: str) -> float:
    chosen = estimates[estimates["stat_name"] == stat]
    for column, wanted in where.items():
        chosen = chosen[chosen[column] == wanted]
    assert len(chosen) == 1, chosen
    return float(chosen["stat"].iloc[0])


def test_nobody_is_shown_singly(folder: Path, estimates: pd.DataFrame) -> None:
    """The data are in no register of the program: lines behind the means are of groups of ten or more."""
    assert not (estimates["stat_name"] == "course_value").any()
    sizes = estimates.loc[estimates["stat_name"] == "n_in_course", ["arm", "stat"]].astype({"stat": float})
    assert set(sizes["arm"]) == {"acupuncture", "usual_care"}
    assert sizes["stat"].min() >= 10
    told = (folder / "results" / "figures" / "trajectories.txt").read_text(encoding="utf-8")
    assert "Thin lines: rounded mean courses of groups of " in told
    assert "mean courses of groups of similar patients" in told


@pytest.mark.parametrize(
    ("arm", "n", "mean", "sd"), [("acupuncture", 161, 16.2, 13.7), ("usual_care", 140, 22.3, 17.0)]
)
def test_published_means(estimates: pd.DataFrame, arm: str, n: int, mean: float, sd: float) -> None:
    where = {"analysis": "descriptives", "outcome": "headache", "visit": "month12", "arm": arm}
    assert value(estimates, "n", **where) == n
    assert round(value(estimates, "mean", **where), 1) == mean
    assert round(value(estimates, "sd", **where), 1) == sd


def test_published_adjusted_difference(estimates: pd.DataFrame) -> None:
    """The abstract gives 4.6 (95% CI 2.2 to 7.0, P = 0.0002); on the distributed file 4.64 (2.20 to 7.08)."""
    where = {"analysis": "ancova", "outcome": "headache", "visit": "month12", "contrast": "acupuncture - usual_care"}
    assert round(-value(estimates, "estimate", **where), 1) == 4.6
    assert [round(-value(estimates, stat, **where), 2) for stat in ("conf_high", "conf_low")] == [2.20, 7.08]
    assert round(value(estimates, "p_value", **where), 4) == 0.0002


def test_the_published_numbers_stand_in_the_tables_and_in_the_report(folder: Path) -> None:
    """Difference of the abstract with a decimal more, as above; means by arm as printed there."""
    tables = folder / "results" / "tables"
    report = plain((folder / "results" / "report.html").read_text(encoding="utf-8"))
    assert "difference −4.64 (95% CI −7.08 to −2.20; P < 0.001)" in report
    assert "the adjusted mean was –" not in report
    for page in (report, plain((tables / "effects.html").read_text(encoding="utf-8"))):
        assert "−4.64 (−7.08 to −2.20)" in page
    for page in (report, plain((tables / "outcomes.html").read_text(encoding="utf-8"))):
        assert "16.2 (13.7)" in page
        assert "22.3 (17.0)" in page


def plain(page: str) -> str:
    """Return the text of a page: without its tags, blanks of all kinds as one."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", "", page)))


def test_every_display_of_its_configuration_is_there_in_every_format_with_something_to_show(folder: Path) -> None:
    study = load_study(folder)
    assert len(study.displays.tables) == 11
    assert len(study.displays.figures) == 7
    for table in study.displays.tables:
        for ending in study.displays.table_endings():
            assert study.layout.table(table.name, ending).stat().st_size > 0
        assert EMPTY not in study.layout.table(table.name, "html").read_text(encoding="utf-8")
    for figure in study.displays.figures:
        for ending in study.displays.figure_endings():
            assert study.layout.figure(figure.name, ending).stat().st_size > 0
        assert EMPTY_FIGURE not in study.layout.figure(figure.name, "svg").read_text(encoding="utf-8")
