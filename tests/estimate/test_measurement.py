"""Measurement: items reversed by the key, floor and ceiling by hand, coders paired once, and no sight of the arm."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from estimate import trials
from estimate.trials import row, stat
from pipanalysis.derive.step import scores
from pipanalysis.estimate.analysis_results import as_results
from pipanalysis.estimate.measurement import Forms, measurement_rows, summed_items
from pipanalysis.estimate.step import estimate
from pipanalysis.study.instrument import Instrument
from pipanalysis.study.load import Study

FORM = {
    "name": "form",
    "label": "Form",
    "respondent": "participant",
    "items": {"count": 4, "range": {"min": 0, "max": 3}, "reversed": [2]},
    "scores": {
        "one": {"label": "1", "rule": "sum", "items": [1, 2], "range": {"min": 0, "max": 6}},
        "two": {"label": "2", "rule": "sum", "items": [3, 4], "range": {"min": 0, "max": 6}},
        "total": {"label": "T", "rule": "sum_of", "scores": ["one", "two"], "range": {"min": 0, "max": 12}},
        "twice": {"label": "U", "rule": "sum_of", "scores": ["one", "total"]},
        "mean": {
            "label": "M",
            "rule": "mean",
            "missing": {"max_missing": 2, "method": "prorate"},
            "range": {"min": 0, "max": 3},
        },
        "means": {"label": "N", "rule": "sum_of", "scores": ["mean"]},
        "many": {"label": "C", "rule": "count", "at_least": 1},
        "case": {"label": "K", "rule": "threshold", "scores": ["one"], "at_least": 4, "type": "binary"},
    },
}


def study(folder: Path = Path("trial")) -> Study:
    made = trials.study([{"method": "measurement"}], visits={"baseline": 0, "month6": 6}, folder=folder)
    return replace(made, instruments={"form": Instrument.model_validate(FORM)})


def forms(rows: list[tuple], second: list[tuple] | None = None) -> Forms:
    """Rows: unit, visit and four items; every unit but "out" is in the analysis set."""
    columns = ["unit", "visit", *(f"form_{i}" for i in range(1, 5))]
    visits = pd.DataFrame(rows, columns=columns)
    units = visits["unit"].drop_duplicates()
    people = pd.DataFrame({"unit": units, "in_all_randomised": units != "out"})
    made = study()
    twice = {"form": pd.DataFrame(second, columns=columns)} if second is not None else {}
    return Forms(made, people, visits, scores(made, visits), twice)


def results(data: Forms) -> pd.DataFrame:
    return as_results(measurement_rows(data, trials.analysis(data.study)))


def test_which_scores_are_sums_of_items() -> None:
    form = Instrument.model_validate(FORM)
    found = {name: summed_items(form, name) for name in form.scores}
    assert found == {
        "one": [1, 2],
        "two": [3, 4],
        "total": [1, 2, 3, 4],
        "twice": [],
        "mean": [1, 2, 3, 4],
        "means": [],
        "many": [],
        "case": [],
    }


BASELINE = [
    ("u1", "baseline", 0, 2, 1, 0),
    ("u2", "baseline", 1, 3, 3, 3),
    ("u3", "baseline", 2, 0, 3, 3),
    ("u4", "baseline", 3, 1, 3, np.nan),
    ("out", "baseline", 3, 3, 3, 3),
]


def test_alpha_of_reversed_items_over_complete_forms() -> None:
    """Item 2 reversed is 1, 0, 3, 2, so items 1 and 2 have variances 5/3 and covariance 1: alpha = 3/4 by hand."""
    found = results(forms(BASELINE))
    where = {"outcome": "form.one", "visit": "baseline", "context": "internal_consistency"}
    assert stat(found, "alpha", **where) == pytest.approx(0.75)
    assert stat(found, "n_complete", **where) == 4
    assert stat(found, "n_complete", **where | {"outcome": "form.total"}) == 3
    assert stat(found, "n_items", **where | {"outcome": "form.total"}) == 4
    empty = row(found, "alpha", **where | {"visit": "month6"})
    assert "too few complete forms (0" in empty["error"]


def test_floor_and_ceiling_by_hand() -> None:
    """Sums of items 3 and 4: 1, 6, 6, missing. Means of the form, item 2 reversed: u4's is (3 + 2 + 3) / 3."""
    found = results(forms(BASELINE))

    def of(score: str) -> list[float]:
        where = {"outcome": f"form.{score}", "visit": "baseline", "context": "floor_ceiling"}
        names = ("n", "n_floor", "percent_floor", "n_ceiling", "percent_ceiling")
        return [stat(found, name, **where) for name in names]

    assert of("two") == [3, 0, 0, 2, pytest.approx(200 / 3)]
    assert of("mean") == [4, 0, 0, 0, 0]
    assert "form.case" not in set(found["outcome"])
    assert "form.many" not in set(found["outcome"])


def test_a_prorated_score_at_the_ceiling_counts() -> None:
    data = forms([("u1", "baseline", 3, 0, np.nan, 3), ("u2", "baseline", 0, 3, 0, 0)])
    found = results(data)
    where = {"outcome": "form.mean", "visit": "baseline", "context": "floor_ceiling"}
    assert (stat(found, "n_ceiling", **where), stat(found, "n_floor", **where)) == (1, 1)


def test_coders_are_paired_by_form_and_a_third_coding_is_counted_not_averaged() -> None:
    first = [(f"u{i}", visit, i % 4, 1, i % 3, 2) for i in range(6) for visit in ("baseline", "month6")]
    second = [(f"u{i}", "baseline", i % 4, 1, i % 3, 2) for i in range(6)]
    second += [("u1", "baseline", 3, 3, 0, 0), ("u1", "month6", 1, 1, 1, 2), ("gone", "baseline", 0, 0, 0, 0)]
    found = results(forms(first, second))
    where = {"outcome": "form.one", "visit": "baseline", "context": "coder_agreement"}
    assert stat(found, "n_pairs", **where) == 6
    assert stat(found, "icc_agreement", **where) == 1
    assert stat(found, "percent_agreement", **where) == 100
    assert "not used: 1 further coding of" in row(found, "icc_agreement", **where)["warning"]
    together = row(found, "icc_agreement", **where | {"visit": ""})
    assert "forms taken as independent: 7 of 6 participants" in together["warning"]
    assert stat(found, "kappa", **where | {"outcome": "form.case"}) == pytest.approx(1)


def test_agreement_of_a_shifted_coder_by_algebra() -> None:
    """The second coder gives item 1 one point more: ICC(A,1) = s² / (s² + 1/2), s² the variance of the sums."""
    first = [(f"u{i}", "baseline", i % 3, i % 4, 0, 0) for i in range(8)]
    second = [(unit, visit, a + 1, b, c, d) for unit, visit, a, b, c, d in first]
    found = results(forms(first, second))
    s2 = np.var([i % 3 + 3 - i % 4 for i in range(8)], ddof=1)
    where = {"outcome": "form.one", "visit": "baseline", "context": "coder_agreement"}
    assert stat(found, "icc_agreement", **where) == pytest.approx(s2 / (s2 + 0.5))
    assert stat(found, "percent_agreement", **where) == 0


def test_the_step_opens_nothing_that_knows_the_arm(tmp_path: Path) -> None:
    data = forms(BASELINE)
    made = study(tmp_path)
    for path, table in (
        (made.layout.participants, data.participants),
        (made.layout.checked_visits, data.visits),
        (made.layout.scores, data.scores),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        table.to_parquet(path)
    assert "statistics" in estimate(made, "measurement")
    assert not made.layout.analysis_participants.exists()
    written = pd.read_parquet(made.layout.family("measurement"))
    assert set(written["arm"]) == {""}
    assert stat(written, "alpha", outcome="form.one", visit="baseline") == pytest.approx(0.75)
