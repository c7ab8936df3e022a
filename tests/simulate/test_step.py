"""The synthetic trial: same seed, same bytes; its files hold the truth that is written beside them."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipanalysis.derive.step import derive
from pipanalysis.errors import ConfigError
from pipanalysis.files import sha256
from pipanalysis.intake.step import intake
from pipanalysis.simulate.guard import simulated_checksums, unlike
from pipanalysis.simulate.step import simulate
from pipanalysis.simulate.traits import exact_moments, possible_values
from pipanalysis.study.load import load_study

Make = Callable[..., Path]


def sums(folder: Path) -> dict[str, str]:
    return {path.name: sha256(path) for path in sorted((folder / "data" / "raw").iterdir())}


def test_same_seed_same_bytes_another_seed_others(study_folder: Make) -> None:
    one, two, other = (study_folder(name=name) for name in ("one", "two", "other"))
    simulate(load_study(one))
    simulate(load_study(two))
    simulate(load_study(other), seed=1)
    assert sums(one) == sums(two)
    assert len(sums(one)) == 12
    assert not {name for name, checksum in sums(one).items() if sums(other)[name] == checksum}


def test_a_large_trial_has_the_moments_of_its_truth(study_folder: Make) -> None:
    """Scored from complete forms, so that nothing is missing or prorated; z within 5 for all of 68 means."""
    folder = study_folder()
    path = folder / "config" / "simulation.yaml"
    text = path.read_text().replace("therapist_icc: 0.02", "therapist_icc: 0")
    for old in ("item: 0.004", "page: 0.01", "form: 0.02", "month6: 0.12, month12: 0.2"):
        key, _, _ = old.partition(":")
        text = text.replace(old, "month6: 0, month12: 0" if "month" in old else f"{key}: 0")
    path.write_text(text)
    study = load_study(folder)
    n = 2000
    simulate(study, units=n, clean=True)
    intake(study)
    derive(study)
    truth = json.loads(study.layout.truth.read_text())
    arms = pd.read_csv(study.layout.raw / "allocation.csv").set_index("dyad_id")["arm"]
    scores = pd.read_parquet(study.layout.scores)
    scores["arm"] = scores["unit"].astype(str).map(arms)
    assert not scores.loc[~scores["score"].str.startswith("bsi.psdi"), "value"].isna().any()
    found = scores.groupby(["score", "arm", "visit"], observed=True)["value"].agg(["mean", "std", "count"])
    worst = 0.0
    for score, by_arm in truth["scores"].items():
        for arm, by_visit in by_arm.items():
            for visit, true in by_visit.items():
                mean, sd, count = found.loc[(score, arm, visit)]
                worst = max(worst, abs(mean - true["mean"]) / (true["sd"] / np.sqrt(count)))
                assert sd == pytest.approx(true["sd"], rel=5 / np.sqrt(2 * count))
    assert worst < 5
    wide = scores.pivot_table(index="unit", columns=["score", "visit"], values="value", observed=True)
    # Bayley composites are far from their limits, so rounding leaves the correlation of the visits as it is.
    r = wide["bayley.cognitive", "baseline"].corr(wide["bayley.cognitive", "month12"])
    assert r == pytest.approx(study.simulation.correlations.visits, abs=5 * (1 - 0.55**2) / np.sqrt(n))
    # CES-D counts distress and Bayley does not: the groups are correlated 0.15 where both are turned to benefit.
    r = wide["bayley.cognitive", "baseline"].corr(wide["cesd.total", "baseline"])
    assert r == pytest.approx(-0.15, abs=5 / np.sqrt(n))


def test_exact_moments_by_simulation(root: Path) -> None:
    """The stated mean of a rounded, truncated normal against 400,000 draws (within 5 standard errors)."""
    study = load_study(root)
    for trait in study.simulation.traits[::4]:
        values = possible_values(study.instruments[trait.score.partition(".")[0]], study.scores[trait.score])
        drawn = np.random.default_rng(7).normal(trait.mean["baseline"], trait.sd["baseline"], size=400_000)
        step = values[1] - values[0]
        rounded = np.clip(np.rint((drawn - values[0]) / step) * step + values[0], values[0], values[-1])
        mean, sd = exact_moments(study, trait, "control", "baseline")
        assert rounded.mean() == pytest.approx(mean, abs=5 * sd / np.sqrt(400_000))
        assert rounded.std() == pytest.approx(sd, rel=0.01)


def test_attrition_is_as_configured_and_related_to_severity(study_folder: Make) -> None:
    study = load_study(study_folder())
    n = 2000
    simulate(study, units=n, clean=True)
    cesd = [
        column for column in pd.read_csv(study.layout.raw / "visit_baseline.csv", nrows=0) if column.startswith("cesd")
    ]
    baseline = pd.read_csv(study.layout.raw / "visit_baseline.csv", encoding="utf-8-sig").set_index("dyad_id")
    last = pd.read_excel(study.layout.raw / "visit_12months.xlsx", usecols=["dyad_id"])["dyad_id"]
    lost = ~baseline.index.isin(last)
    assert lost.mean() == pytest.approx(0.2, abs=5 * np.sqrt(0.2 * 0.8 / n))
    plain = baseline[[c for c in cesd if int(c[4:]) not in (4, 8, 12, 16)]].mean(axis=1)
    assert plain[lost].mean() > plain[~lost].mean() + 0.05


def test_the_clean_twin_differs_from_the_dirty_trial_only_where_the_key_says(study_folder: Make) -> None:
    clean, dirty = load_study(study_folder(name="clean")), load_study(study_folder(name="dirty"))
    simulate(clean, clean=True)
    simulate(dirty)
    key = pd.read_csv(dirty.layout.faults, dtype=str, keep_default_na=False)
    assert pd.read_csv(clean.layout.faults).empty
    assert len(key) > 100
    options = {"sep": ";", "dtype": str, "keep_default_na": False, "encoding": "cp1252"}
    before = pd.read_csv(clean.layout.raw / "participants.csv", **options)
    after = pd.read_csv(dirty.layout.raw / "participants.csv", **options)
    assert list(after.columns) == [*before.columns, "comment_2"]
    changed = {(i + 2, c) for c in before for i in range(len(before)) if before[c][i] != after[c][i]}
    appended = set(range(len(before) + 2, len(after) + 2))
    of_file = key[key["file"] == "data/raw/participants.csv"]
    noted = {int(row) for row in of_file["row"] if row}
    assert {row for row, _ in changed} | appended == noted
    assert len(changed) == len([row for row in of_file["row"] if row and int(row) not in appended])


def test_real_data_are_never_simulated(root: Path) -> None:
    with pytest.raises(ConfigError, match="synthetic, to simulate"):
        simulate(load_study(root / "examples" / "beat-the-blues"))


def test_files_of_another_hand_stay(study_folder: Make) -> None:
    study = load_study(study_folder())
    study.layout.raw.mkdir(parents=True)
    real = study.layout.raw / "participants.csv"
    real.write_text("dyad_id\nX1\n")
    with pytest.raises(ConfigError, match="did not write"):
        simulate(study)
    assert real.read_text() == "dyad_id\nX1\n"
    assert [path.name for path in study.layout.raw.iterdir()] == ["participants.csv"]


def test_files_are_unlike_those_that_were_written_unless_every_byte_is_the_same(study_folder: Make) -> None:
    study = load_study(study_folder())
    every = [*(file.path for file in study.config.files), study.allocation.path]
    assert simulated_checksums(study) == {}
    assert unlike(study, {}) == every  # nothing is there
    assert unlike(study, {}, missing=False) == []
    simulate(study)
    written = simulated_checksums(study)
    assert unlike(study, written) == []
    assert unlike(study, {}) == unlike(study, {}, missing=False) == every
    path = study.layout.raw / "visit_baseline.csv"
    text = path.read_bytes()
    for other in (text.replace(b"1", b"2", 1), b""):
        path.write_bytes(other)
        assert unlike(study, written) == ["visit_baseline.csv"]
    path.unlink()
    assert unlike(study, written) == ["visit_baseline.csv"]
    assert unlike(study, written, missing=False) == []
    path.mkdir()
    assert unlike(study, written, missing=False) == ["visit_baseline.csv"]
    path.rmdir()
    path.write_bytes(text)
    assert unlike(study, written) == []
    study.layout.truth.unlink()
    assert simulated_checksums(study) == {}
