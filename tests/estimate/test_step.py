"""The verbs: a family's results on disk, and all of them in one dataset."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from estimate import trials
from pipanalysis.errors import DataError, PlanError
from pipanalysis.estimate.analysis_results import COLUMNS, KEY
from pipanalysis.estimate.step import collect, estimate
from pipanalysis.files import sha256, write_parquet
from pipanalysis.study.load import Study
from pipanalysis.study.plan import FAMILIES

METHODS = ("descriptives", "baseline", "mixed_model", "ancova", "effect_size", "mmrm", "clda", "logistic")


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """A study folder as `derive` and `allocate` leave it, with every method in the plan."""
    rng = np.random.default_rng(1)
    n = 24
    configuration = trials.study(
        [{"method": method, "outcomes": "all"} for method in METHODS],
        visits={"baseline": 0, "month6": 6, "month12": 12},
        scores={"total": "continuous", "case": "binary"},
        characteristics=["form.total", "form.case"],
        folder=tmp_path,
    )
    people = pd.DataFrame({"unit": [f"u{i:02}" for i in range(n)], "arm": ["control", "treated"] * (n // 2)})
    write_parquet(configuration.layout.analysis_participants, people.assign(in_all_randomised=True))
    values = rng.normal(size=(n, 1)) + rng.normal(size=(n, 3))
    wide = pd.DataFrame(values, columns=["baseline", "month6", "month12"]).assign(unit=people["unit"])
    total = wide.melt("unit", ["baseline", "month6", "month12"], "visit").assign(score="form.total")
    case = total.assign(score="form.case", value=(total["value"] > 0).astype(float))
    write_parquet(configuration.layout.scores, pd.concat([total, case]).assign(level=None))
    return configuration


def test_all_families_become_one_dataset_that_reads_back_equal(study: Study, capsys: pytest.CaptureFixture) -> None:
    for family in FAMILIES:
        estimate(study, family)
    said = capsys.readouterr().err
    assert "ancova: 1 of 2 outcomes; not suited: case" in said
    assert "logistic: 1 of 2 outcomes; not suited: total" in said
    collect(study)
    written = pd.read_parquet(study.layout.estimates)
    assert set(written["analysis"]) == set(METHODS)
    assert not written.duplicated(list(KEY)).any()
    keys = list(zip(*(written[name] for name in KEY), strict=True))
    assert keys == sorted(keys)
    read = pd.read_csv(study.layout.estimates_csv, keep_default_na=False, dtype=dict.fromkeys(COLUMNS, str))
    assert tuple(read.columns) == COLUMNS
    for name in ("stat", "conf_level"):
        read[name] = [float(value) if value else np.nan for value in read[name]]
    read["prespecified"] = read["prespecified"] == "True"
    pd.testing.assert_frame_equal(read, written, check_exact=True)


def test_same_data_same_bytes(study: Study) -> None:
    for family in FAMILIES:
        estimate(study, family)
        first = sha256(study.layout.family(family))
        estimate(study, family)
        assert sha256(study.layout.family(family)) == first


def test_collect_refuses_what_is_missing_or_was_changed(study: Study) -> None:
    for family in FAMILIES:
        estimate(study, family)
    path = study.layout.family("ancova")
    results = pd.read_parquet(path)
    write_parquet(path, pd.concat([results, results.iloc[[0]]]))
    with pytest.raises(DataError, match=r"ancova\.parquet"):
        collect(study)
    path.unlink()
    with pytest.raises(DataError, match="no such file"):
        collect(study)
    assert not study.layout.estimates.exists()


def test_collect_names_every_family_that_is_not_estimated_and_how_to_do_it(study: Study) -> None:
    estimate(study, "mmrm")
    others = [family for family in study.families() if family != "mmrm"]
    assert len(others) > 1
    with pytest.raises(DataError) as refused:
        collect(study)
    assert [problem.where for problem in refused.value.problems] == [f"results/estimates/{f}.parquet" for f in others]
    assert {problem.hint for problem in refused.value.problems} == {f"run: pipanalysis estimate {' '.join(others)}"}


def test_unknown_family_is_refused(study: Study) -> None:
    with pytest.raises(PlanError, match="describe, mixed_model, ancova, mmrm, binary"):
        estimate(study, "anova")
