"""Beat the Blues runs from configuration alone, and its numbers are those of R."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from display.figures import figure_axes
from estimate.names import names_in_sentences
from pipanalysis.display.results_index import ResultsIndex
from pipanalysis.display.step import DRAWINGS
from pipanalysis.study.load import load_study
from workflow.conftest import Workflow, made_again


@pytest.fixture(scope="module")
def finished(root: Path, workflow: Workflow, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("beat-the-blues")
    source = root / "examples" / "beat-the-blues"
    shutil.copytree(source / "config", folder / "config")
    shutil.copytree(source / "data" / "raw", folder / "data" / "raw")
    run = workflow(folder)
    assert run.status == 0, run.said
    assert "simulate" not in run.jobs
    return folder


@pytest.fixture(scope="module")
def estimates(finished: Path) -> pd.DataFrame:
    return pd.read_csv(finished / "results" / "estimates.csv", keep_default_na=False)


def test_made_again_in_other_surroundings_it_has_the_same_bytes(
    finished: Path, workflow: Workflow, tmp_path: Path
) -> None:
    made_again(finished, ("config", "data/raw"), workflow, tmp_path)


def test_no_line_of_python_of_its_own(root: Path) -> None:
    folder = root / "examples" / "beat-the-blues"
    assert {path.suffix for path in (folder / "config").rglob("*") if path.is_file()} == {".yaml"}
    assert not list(folder.rglob("*.py"))


def test_committed_data_are_the_distributed_ones(root: Path, shared: Path) -> None:
    raw = root / "examples" / "beat-the-blues" / "data" / "raw"
    ours = pd.read_csv(raw / "bdi.csv").merge(pd.read_csv(raw / "allocation.csv"), on="subject", validate="one_to_one")
    theirs = pd.read_csv(shared / "reference" / "data" / "BtheB_wide.csv")
    pd.testing.assert_frame_equal(ours[theirs.columns.tolist()], theirs)


def test_patients_and_missing_values_add_up(estimates: pd.DataFrame) -> None:
    chosen = estimates[(estimates["analysis"] == "descriptives") & (estimates["visit"] != "")]
    counts = chosen[chosen["stat_name"].isin(["n", "n_missing"])].groupby(["visit", "arm"])["stat"].sum()
    assert set(counts.xs("usual_care", level="arm")) == {48.0}
    assert set(counts.xs("beat_the_blues", level="arm")) == {52.0}


def courses_of_the_raw_file(folder: Path) -> dict[str, list[list[float]]]:
    """Return the values of each patient with two or more, by the label of the arm."""
    raw = folder / "data" / "raw"
    both = pd.read_csv(raw / "bdi.csv").merge(pd.read_csv(raw / "allocation.csv"), on="subject", validate="one_to_one")
    visits = [column for column in both if str(column).startswith("bdi.")]
    assert len(visits) == 5
    kept = both[both[visits].notna().sum(axis=1) >= 2]
    arms = {"TAU": "Treatment as usual", "BtheB": "Beat the Blues"}
    return {
        label: sorted(own.dropna().tolist() for _, own in kept.loc[kept["treatment"] == code, visits].iterrows())
        for code, label in arms.items()
    }


def test_the_figure_of_means_has_a_line_for_each_patient_with_two_values(finished: Path) -> None:
    """Each line in its arm's colour, of the values of the raw file; the note counts them and says whose they are."""
    expected = courses_of_the_raw_file(finished)
    study = load_study(finished)
    figure = next(one for one in study.displays.figures if one.name == "trajectories")
    results = ResultsIndex(pd.read_parquet(study.layout.estimates))
    model = DRAWINGS[figure.kind](study, figure, results, {"allocation": "real"})
    (axes,) = figure_axes(model)
    colours = {str(line.get_label()): to_rgb(line.get_color()) for line in axes.lines if line.get_label() in expected}
    drawn = {tuple(lines.get_color()[0][:3]): lines.get_segments() for lines in axes.collections}
    assert set(drawn) == set(colours.values())
    for arm, courses in expected.items():
        assert sorted(segment[:, 1].tolist() for segment in drawn[colours[arm]]) == courses
    told = (finished / "results" / "figures" / "trajectories.txt").read_text(encoding="utf-8")
    of = {"Treatment as usual": 48, "Beat the Blues": 52}
    counted = "; ".join(f"{arm} {len(courses)} of {of[arm]}" for arm, courses in expected.items())
    assert (
        "Thin lines: single patients, whose data are published (BtheB in the R package HSAUR3), with a value at two "
        f"visits or more ({counted})." in told
    )
    assert "the courses of single patients" in told


def test_no_name_of_the_configuration_is_in_a_sentence(finished: Path, estimates: pd.DataFrame) -> None:
    assert any("patients" in warning for warning in estimates["warning"])
    assert names_in_sentences(load_study(finished), estimates) == set()


def effect(estimates: pd.DataFrame, analysis: str, visit: str) -> dict[str, float]:
    chosen = estimates[
        (estimates["analysis"] == analysis)
        & (estimates["visit"] == visit)
        & (estimates["contrast"] == "beat_the_blues - usual_care")
        & (estimates["context"] == "")
    ]
    return dict(zip(chosen["stat_name"], pd.to_numeric(chosen["stat"]), strict=True))


def test_primary_analysis_is_that_of_r_mmrm(estimates: pd.DataFrame, shared: Path) -> None:
    """R mmrm 0.3.18 on the same model (for `us` its linear Kenward-Roger is the general one)."""
    answers = json.loads((shared / "reference" / "results" / "mmrm_btheb.json").read_text())
    contrasts = answers["models"]["us_reml"]["methods"]["Kenward-Roger-Linear"]["contrasts"]
    assert len(contrasts) == 4
    for expected in contrasts:
        found = effect(estimates, "primary", f"month{expected['month']}")
        for stat, name, tolerance in (
            ("estimate", "estimate", 1e-5),
            ("std_error", "SE", 1e-5),
            ("df", "df", 1e-4),
            ("conf_low", "lower.CL", 1e-5),
            ("conf_high", "upper.CL", 1e-5),
        ):
            assert found[stat] == pytest.approx(expected[name], rel=tolerance), (expected["month"], stat)
        assert found["p_value"] == pytest.approx(expected["p.value"], abs=1e-6)


def test_random_intercept_model_is_that_of_lme4(estimates: pd.DataFrame, shared: Path) -> None:
    answers = json.loads((shared / "reference" / "results" / "lmer.json").read_text())["models"]["btheb_ri"]
    coefficients = {row["term"]: row for row in answers["methods"]["Satterthwaite"]["coefficients"]}
    found = effect(estimates, "random_intercept", "month2")
    assert found["estimate"] == pytest.approx(coefficients["treatmentBtheB"]["estimate"], rel=1e-4)
    assert found["std_error"] == pytest.approx(coefficients["treatmentBtheB"]["se"], rel=1e-3)
    for month in (3, 5, 8):
        difference = effect(estimates, "random_intercept", f"month{month}")["estimate"] - found["estimate"]
        assert difference == pytest.approx(coefficients[f"treatmentBtheB:fmonth{month}"]["estimate"], rel=1e-3)
