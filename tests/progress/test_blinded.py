"""Pooled outcomes and the blinded review of the sample size: published sizes, algebra."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipanalysis.progress.blinded import pooled_summaries, sample_size_review, units_needed, variance_within
from pipanalysis.progress.data import ProgressData, read_progress
from pipanalysis.study.progress import SampleSizeReview
from progress import trials

REVIEW = {"score": "mood.total", "visit": "month6", "difference": 2, "sd": 4, "power": 0.8, "smallest": 10}


def review(**changes: float) -> SampleSizeReview:
    return SampleSizeReview.model_validate({**REVIEW, **changes})


# Cohen (1988), Statistical Power Analysis, table 2.4.1: n an arm, two-sided 5%.
@pytest.mark.parametrize(("d", "power", "per_arm"), [(0.2, 0.8, 393), (0.5, 0.8, 64), (0.8, 0.8, 26), (0.5, 0.9, 85)])
def test_published_sizes(d: float, power: float, per_arm: int) -> None:
    found = units_needed(review(difference=d, power=power), 1.0, 1.0)
    assert abs(found - 2 * per_arm) <= 2  # Cohen rounds to the nearest, this up


def test_adjustment_attrition_and_ratio_by_algebra() -> None:
    plain = units_needed(review(), 4.0, 1.0)
    assert units_needed(review(attrition=0.5), 4.0, 1.0) == 2 * plain
    assert units_needed(review(baseline_correlation=0.5), 4.0, 1.0) == pytest.approx(0.75 * plain, abs=2)
    # Two to one takes (1 + r)² / (4 r) = 9/8 of the equal design's total, for large samples.
    large = units_needed(review(difference=0.2), 4.0, 1.0)
    assert units_needed(review(difference=0.2), 4.0, 2.0) == pytest.approx(9 / 8 * large, rel=0.002)


@pytest.mark.parametrize(("n1", "n2", "difference"), [(10, 10, 3.0), (12, 24, 1.5), (50, 50, 0.0)])
def test_the_variance_within_arms_is_had_back_exactly(n1: int, n2: int, difference: float) -> None:
    # Arms whose sample variances (divisor n) are known: the sum of squares is that within plus that between.
    generator = np.random.default_rng(5)
    arms = [(x - x.mean()) / x.std() * 2 for x in (generator.normal(size=n1), generator.normal(size=n2))]
    both = np.concatenate([arms[0], arms[1] + difference])
    within = (n1 + n2) * 4 / (n1 + n2 - 1)
    assert variance_within(both.var(ddof=1), n1 + n2, difference, n2 / n1) == pytest.approx(within, rel=1e-12)


def data(folder: Path, scores: list[float], progress: dict[str, object]) -> ProgressData:
    chosen = trials.study(folder, progress)
    people = [{"unit": f"D{i}", "site": "north", "randomised_on": "2020-01-10"} for i in range(len(scores))]
    visits = [{"unit": p["unit"], "visit": "month6", "visited_on": "2020-07-10"} for p in people]
    visits[-1]["visited_on"] = "2020-07-30"
    trials.write(chosen, people, visits)
    table = pd.DataFrame(
        {"unit": [p["unit"] for p in people], "visit": "month6", "score": "mood.total", "value": scores}
    )
    table.to_parquet(chosen.layout.scores)
    return read_progress(chosen, "2020-07-15")


def test_pooled_outcomes_are_of_the_assessments_done_by_the_day(tmp_path: Path) -> None:
    allowed = {"blinded_summaries": {"allowed": True, "scores": ["mood.total"], "smallest": 4}}
    table = pooled_summaries(data(tmp_path, [1, 2, 3, 4, 100], allowed)).set_index("visit")
    assert table.loc["month6", ["n", "mean"]].tolist() == [4, 2.5]
    assert table.loc["month6", "sd"] == pytest.approx((5 / 3) ** 0.5)
    assert table.loc["month12", "n"] == 0


def test_too_few_values_are_not_shown(tmp_path: Path) -> None:
    allowed = {"blinded_summaries": {"allowed": True, "scores": ["mood.total"], "smallest": 5}}
    row = pooled_summaries(data(tmp_path, [1, 2, 3, 4, 100], allowed)).set_index("visit").loc["month6"]
    assert row["n"] == 4
    assert pd.isna(row["mean"])
    assert pd.isna(row["sd"])


def test_nothing_pooled_unless_the_plan_allows_it(tmp_path: Path) -> None:
    forbidden = {"blinded_summaries": {"allowed": False, "scores": ["mood.total"]}, "sample_size": REVIEW}
    assert pooled_summaries(data(tmp_path, [1.0] * 30, forbidden)).empty


def test_a_review_of_the_sample_size(tmp_path: Path) -> None:
    values = [float(v) for v in np.linspace(0, 20, 30)]
    found = sample_size_review(data(tmp_path / "a", values, {"sample_size": REVIEW}))
    assert found is not None
    assert found.n == 29
    sd = np.std(values[:29], ddof=1)
    assert found.pooled_sd == pytest.approx(sd)
    assert found.adjusted_sd == pytest.approx((sd**2 - 29 / 28 * 0.25 * 4) ** 0.5)
    assert found.by_adjusted is not None
    assert found.by_pooled is not None
    assert found.planned < found.by_adjusted < found.by_pooled
    early = sample_size_review(data(tmp_path / "b", values[:9], {"sample_size": REVIEW}))
    assert early is not None
    assert (early.n, early.pooled_sd, early.by_pooled) == (8, None, None)
