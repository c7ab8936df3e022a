"""The twin of a confidential trial: same shape, near in distribution, and nobody's row."""

import io
import itertools
import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyreadstat
import pytest
import yaml

from intake.studies import make_study, packaged, received
from pipanalysis.derive.allocation import allocate
from pipanalysis.derive.step import derive
from pipanalysis.errors import ConfigError, DataError, DisclosureError, PlanError
from pipanalysis.estimate.planning import suitable_outcomes
from pipanalysis.estimate.step import estimate
from pipanalysis.files import sha256
from pipanalysis.intake.step import intake
from pipanalysis.simulate.step import simulate
from pipanalysis.study.load import Study, load_study
from pipanalysis.twin.step import remove_key, twin
from reproduce.conftest import run_study
from twin.confidential import (
    RARE_SITE,
    confidential_config,
    confidential_raw,
    confidential_study,
    raw_frames,
)

N = 2000


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return confidential_study(tmp_path_factory.mktemp("real") / "study", N)


@pytest.fixture(scope="module")
def made(real: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("twin") / "twin"
    twin(load_study(real), out)
    return out


def files_of(folder: Path) -> dict[str, str]:
    return {p.relative_to(folder).as_posix(): sha256(p) for p in sorted(folder.rglob("*")) if p.is_file()}


def wide(folder: Path) -> pd.DataFrame:
    """Return a row per unit with arm, weight, age and items by visit, as numbers."""
    frames = raw_frames(folder)
    people = frames["people"].set_index("id")
    table = frames["allocation"].set_index("id")[["arm"]].join(people[["weight", "age"]].replace("-9", ""))
    for visit, rows in frames["visits"].groupby("visit"):
        table = table.join(rows.set_index("id")[["mood1", "mood2", "mood3"]].add_suffix(f"_{visit}"))
    numbers = table.columns.drop("arm")
    return table.assign(**{name: pd.to_numeric(table[name]) for name in numbers})


# ---- same shape


def test_it_has_the_files_columns_codes_and_formats_of_the_real_one(real: Path, made: Path) -> None:
    ours, theirs = raw_frames(made), raw_frames(real)
    assert {p.name for p in (made / "data" / "raw").iterdir()} == {p.name for p in (real / "data" / "raw").iterdir()}
    for name in theirs:
        assert list(ours[name].columns) == list(theirs[name].columns)
    assert set(ours["people"]["sex"]) == set(theirs["people"]["sex"])
    assert set(ours["visits"]["visit"]) == {"baseline", "month6"}
    assert "-9" in set(ours["people"]["weight"])
    assert ours["people"]["weight"].str.fullmatch(r"-9|\d+\.\d").all()
    assert ours["people"]["randomised_on"].str.fullmatch(r"2020-\d\d-\d\d").all()
    assert ours["allocation"]["arm"].value_counts().to_dict() == theirs["allocation"]["arm"].value_counts().to_dict()


def test_intake_finds_nothing_to_query_and_every_unit_again(made: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(made, tmp_path / "twin"))
    participants, visits, queries = received(folder)
    assert participants["randomised"].sum() == N
    assert set(queries["rule"]) <= {"missing-required"}
    days = visits.merge(participants, on="unit").eval("(visited_on - randomised_on)").dt.days
    assert days[visits["visit"] == "baseline"].between(-9, 3).all()
    assert days[visits["visit"] == "month6"].between(178, 192).all()


# ---- near in distribution


def test_means_sds_and_missingness_are_within_monte_carlo_error(real: Path, made: Path) -> None:
    """z of each arm's mean, log SD and share of missing values; 4 for some 50 comparisons is 1 chance in 300."""
    ours, theirs = wide(made), wide(real)
    compared = 0
    for arm, name in itertools.product(("control", "treated"), theirs.columns.drop("arm")):
        a, b = (table.loc[table["arm"] == arm, name] for table in (ours, theirs))
        lost, share = a.isna().mean(), b.isna().mean()
        if share:
            assert abs(lost - share) < 4 * np.sqrt(2 * share * (1 - share) / len(b)), (arm, name)
        error = b.std() * np.sqrt(1 / a.count() + 1 / b.count())
        assert abs(a.mean() - b.mean()) < 4 * error, (arm, name)
        kurtosis = ((b - b.mean()) ** 4).mean() / b.var() ** 2
        assert abs(np.log(a.std() / b.std())) < 4 * np.sqrt((kurtosis - 1) / 4 * 2 / a.count()), (arm, name)
        compared += 1
    assert compared == 16


def test_correlations_are_within_monte_carlo_error(real: Path, made: Path) -> None:
    """Fisher's z within arms; both samples vary."""
    ours, theirs = wide(made), wide(real)
    for arm in ("control", "treated"):
        a, b = (t[t["arm"] == arm].drop(columns="arm") for t in (ours, theirs))
        for one, two in itertools.combinations(b.columns, 2):
            n = min(len(t[[one, two]].dropna()) for t in (a, b))
            apart = np.arctanh(a[one].corr(a[two])) - np.arctanh(b[one].corr(b[two]))
            assert abs(apart) < 4 * np.sqrt(2 / (n - 3)), (arm, one, two)


def test_the_effect_of_the_treatment_is_kept(real: Path, made: Path) -> None:
    effects = []
    for folder in (made, real):
        total = wide(folder)[["mood1_month6", "mood2_month6", "mood3_month6"]].sum(axis=1, skipna=False)
        groups = total.groupby(wide(folder)["arm"])
        mean, error = groups.mean(), groups.sem()
        effects.append((mean["treated"] - mean["control"], np.hypot(error["treated"], error["control"])))
    (ours, own_error), (theirs, their_error) = effects
    assert theirs < -1  # the confidential trial has an effect to be kept
    assert abs(ours - theirs) < 4 * np.hypot(own_error, their_error)


def test_sessions_are_as_many_attended_as_often_and_only_in_their_arm(real: Path, made: Path) -> None:
    ours, theirs = raw_frames(made), raw_frames(real)
    arm = ours["allocation"].set_index("id")["arm"]
    assert set(ours["sessions"]["id"].map(arm)) == {"treated"}
    counts = [f["sessions"].groupby("id").size() for f in (ours, theirs)]
    assert abs(counts[0].mean() - counts[1].mean()) < 4 * counts[1].std() * np.sqrt(2 / (N / 2))
    shares = [(f["sessions"]["attended"] == "1").mean() for f in (ours, theirs)]
    assert abs(shares[0] - shares[1]) < 4 * np.sqrt(0.8 * 0.2 * 2 / len(theirs["sessions"]))
    assert (ours["sessions"].groupby("id")["therapist"].nunique() == 1).all()
    assert not ours["sessions"].duplicated(["id", "held_on"]).any()


# ---- nobody's row


def test_no_real_identifier_note_or_name_occurs_anywhere(real: Path, made: Path) -> None:
    secret = set(raw_frames(real)["people"]["id"]) | set(raw_frames(real)["log"]["number"])
    cells = {str(cell) for frame in raw_frames(made).values() for cell in frame.to_numpy().ravel()}
    assert not cells & secret
    assert set(raw_frames(made)["people"]["notes"]) == {"", "text"}
    assert not any("Dr " in cell or "secret" in cell for cell in cells)
    texts = [p.read_text() for p in made.rglob("*") if p.suffix in (".json", ".md", ".yaml", ".csv")]
    assert not any(re.search(r"PX-0\d\d\d|Dr [ABC]\b", text) and any(unit in text for unit in secret) for text in texts)
    ours = raw_frames(made)["people"]["id"]
    assert ours.str.fullmatch(r"PX-\d{4}").all()
    assert ours.is_unique


def test_no_row_is_a_real_one(real: Path, made: Path) -> None:
    ours, theirs = raw_frames(made), raw_frames(real)
    for name in ("people", "visits"):
        values = [c for c in theirs[name].columns if c not in ("id", "notes")]
        real_rows = theirs[name][values].value_counts()
        identifying = set(real_rows[real_rows < 5].index)
        assert len(identifying) > N / 2
        assert not identifying & set(ours[name][values].itertuples(index=False, name=None))


def test_a_code_of_too_few_units_is_not_shown_nor_the_extremes_themselves(real: Path, made: Path) -> None:
    assert (raw_frames(real)["people"]["region"] == RARE_SITE).sum() == 3
    assert RARE_SITE not in set(raw_frames(made)["people"]["region"])
    record = json.loads((made / "twin.json").read_text())
    assert record["merged_by_min_cell"]["variables_with_rare_codes_merged"] == ["people, region"]


def test_the_record_says_how_near_and_holds_no_value(real: Path, made: Path) -> None:
    record = json.loads((made / "twin.json").read_text())
    assert record["copies"]["rows_equal_to_a_real_one"] == 0
    assert record["copies"]["rows_compared"]["rows of people"] == N
    near = record["difference_in_standard_errors"]
    assert set(near) == {"means", "SDs", "proportions", "missingness", "correlations"}
    for kind in near.values():
        assert kind["root_mean_square"] < 2
        assert abs(kind["largest"]) < 4.5
    text = (made / "twin.json").read_text()
    assert not any(unit in text for unit in raw_frames(real)["people"]["id"])


@pytest.mark.parametrize("seed", range(4))
def test_few_units_give_no_copies_either(tmp_path: Path, seed: int) -> None:
    folder = confidential_study(tmp_path / "real", 40, seed)
    twin(load_study(folder), tmp_path / "twin", seed=seed)
    ours, theirs = raw_frames(tmp_path / "twin"), raw_frames(folder)
    values = [c for c in theirs["people"].columns if c not in ("id", "notes")]
    assert not set(ours["people"][values].itertuples(index=False)) & set(
        theirs["people"][values].itertuples(index=False)
    )


# ---- as a study


def prepare(study: Study) -> None:
    """Carry out the steps up to the arm."""
    intake(study)
    derive(study)
    if any(file.closed for file in study.config.files):
        intake(study, closed=True)
    allocate(study)


def test_a_twin_runs_as_its_study_does_and_says_what_it_is(tmp_path: Path) -> None:
    folder = confidential_study(tmp_path / "real", 60)
    twin(load_study(folder), tmp_path / "twin")
    run_study(tmp_path / "twin")
    page = (tmp_path / "twin" / "results" / "tables" / "scores.html").read_text()
    assert "SYNTHETIC TWIN" in page
    assert "SYNTHETIC TWIN" in (tmp_path / "twin" / "README.md").read_text()


def test_beat_the_blues_has_a_twin_that_runs_and_is_near(root: Path, tmp_path: Path) -> None:
    """The effects at each visit lie within four standard errors of the real ones."""
    source = root / "examples" / "beat-the-blues"
    shutil.copytree(source / "config", tmp_path / "real" / "config")
    shutil.copytree(source / "data" / "raw", tmp_path / "real" / "data" / "raw")
    twin(load_study(tmp_path / "real"), tmp_path / "twin")
    both = []
    # Made-up patients are not the published ones, and files of no known checksum show nobody singly.
    plans = [load_study(tmp_path / name) for name in ("real", "twin")]
    assert [one.config.study.published for one in plans] == ["beat_the_blues", None]
    assert "published" not in yaml.safe_load((tmp_path / "twin" / "config" / "study.yaml").read_text())["study"]
    shown = [[analysis.courses for analysis in one.plan.analyses if analysis.courses] for one in plans]
    assert shown == [["single"], [10]]
    for name in ("twin", "real"):
        study = load_study(tmp_path / name)
        prepare(study)
        estimate(study, "mmrm")
        table = pd.read_parquet(study.layout.family("mmrm")).astype({"visit": str, "contrast": str})
        wanted = table["stat_name"].isin(["estimate", "std_error"]) & table["contrast"].str.contains(" - ")
        kept = table[wanted & (table["analysis"] == "primary")]
        both.append(kept.set_index(["visit", "contrast", "context", "stat_name"])["stat"].unstack())
    joined = both[0].join(both[1], suffixes=("_twin", "_real")).dropna()
    assert len(joined) >= 4
    apart = (joined["estimate_twin"] - joined["estimate_real"]).abs()
    assert (apart < 4 * np.hypot(joined["std_error_twin"], joined["std_error_real"])).all()


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (
            "study:\n  id: a\n  published: b  # why\n  # on data\n  data: c\n",
            "study:\n  id: a\n  # on data\n  data: c\n",
        ),
        ("study:\n  published: b\n  id: a\n", "study:\n  id: a\n"),
        ("study:\n  id: a\n  published: b", "study:\n  id: a\n"),
        ("study: {id: a, published: b, data: c}\n", "study: {id: a, data: c}\n"),
        ("study: {published: b,\n  id: a}\n", "study: {id: a}\n"),
        ("study: {id: a, published: b}\n", "study: {id: a}\n"),
    ],
)
def test_a_key_is_removed_and_nothing_else(tmp_path: Path, text: str, left: str) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(text, encoding="utf-8")
    remove_key(path, ("study", "published"))
    assert path.read_text(encoding="utf-8") == left


def test_a_twin_has_a_twin(made: Path, tmp_path: Path) -> None:
    twin(load_study(made), tmp_path / "again")
    assert load_study(tmp_path / "again").config.study.data == "twin"
    assert not set(raw_frames(made)["people"]["id"]) & set(raw_frames(tmp_path / "again")["people"]["id"])


def test_the_synthetic_pip_trial_has_a_twin_with_its_spss_file(
    study_folder: Callable[..., Path], tmp_path: Path
) -> None:
    folder = study_folder()
    simulate(load_study(folder))
    twin(load_study(folder), tmp_path / "twin")
    made = load_study(tmp_path / "twin")
    assert made.simulation is None
    # Courses of single units are for the synthetic study itself; nothing else of the plan changes.
    plans = [load_study(where).plan.model_dump() for where in (folder, tmp_path / "twin")]
    for plan, courses in zip(plans, ("single", 10), strict=True):
        assert [analysis.pop("courses") for analysis in plan["analyses"] if analysis["courses"]] == [courses]
    for plan in plans:
        plan["analyses"] = [{k: v for k, v in analysis.items() if k != "courses"} for analysis in plan["analyses"]]
    assert plans[0] == plans[1]
    prepare(made)
    arms = pd.read_parquet(made.layout.analysis_participants)["arm"]
    assert arms.value_counts().to_dict() == {"control": 38, "pip": 38}
    n_fits = sum(len(suitable_outcomes(made, analysis)) for analysis in made.family_analyses("mmrm"))
    assert n_fits > 30
    assert f"fits: {n_fits} ok" in estimate(made, "mmrm")


@pytest.mark.parametrize("ending", ["sav", "dta", "parquet"])
def test_files_of_statistics_packages_are_written_as_such(tmp_path: Path, ending: str) -> None:
    config, raw = confidential_config(), confidential_raw(60)
    config["files"][0] |= {"path": f"people.{ending}"}
    people = pd.read_csv(io.BytesIO(str(raw.pop("people.csv")).encode()), sep=";", dtype=str, keep_default_na=False)
    people["weight"] = pd.to_numeric(people["weight"].replace("-9", ""))
    people["age"] = people["age"].astype(int)
    folder = make_study(tmp_path / "real", config, raw | {f"people.{ending}": packaged(people, ending)})
    twin(load_study(folder), tmp_path / "twin")
    read = {"sav": pyreadstat.read_sav, "dta": pyreadstat.read_dta}
    path = tmp_path / "twin" / "data" / "raw" / f"people.{ending}"
    held = read[ending](path)[0] if ending in read else pd.read_parquet(path)
    assert list(held.columns) == list(people.columns)
    assert held["weight"].dtype == "float64"
    participants, _, queries = received(tmp_path / "twin")
    assert len(participants) == 60
    assert participants["age"].between(16, 50).all()
    assert set(queries["rule"]) <= {"missing-required"}


def test_same_seed_same_bytes_another_seed_others(tmp_path: Path) -> None:
    study = load_study(confidential_study(tmp_path / "real", 60))
    for name, seed in (("one", 7), ("two", 7), ("other", 8)):
        twin(study, tmp_path / name, seed=seed)
    one, two, other = (files_of(tmp_path / name) for name in ("one", "two", "other"))
    assert one == two
    raw = [name for name in one if name.startswith("data/")]
    assert len(raw) == 5
    assert all(one[name] != other[name] for name in raw)


KILLED = """
import os, signal, sys
from pathlib import Path
import pipanalysis.twin.step as step
from pipanalysis.study.load import load_study
step.write_json = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
step.twin(load_study(Path(sys.argv[1])), Path(sys.argv[2]))
"""


def test_one_that_is_killed_leaves_nothing_once_it_is_made_again(tmp_path: Path) -> None:
    folder, out = confidential_study(tmp_path / "real", 60), tmp_path / "twins" / "one"
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", KILLED, str(folder), str(out)], check=False)
        assert done.returncode == -signal.SIGKILL
        assert len(list(out.parent.iterdir())) == 1  # never two: the second run has removed the first one's
    assert not out.exists()
    twin(load_study(folder), out)
    assert list(out.parent.iterdir()) == [out]


# ---- refusals


@pytest.mark.parametrize("place", [".", "data", "data/raw/twin", "config", "results/twin", ".."])
def test_it_is_not_written_into_the_study(tmp_path: Path, place: str) -> None:
    folder = confidential_study(tmp_path / "real", 40)
    before = files_of(tmp_path)
    with pytest.raises(ConfigError, match="1 problem"):
        twin(load_study(folder), folder / place)
    assert files_of(tmp_path) == before


def test_it_is_not_written_over_anything(tmp_path: Path) -> None:
    folder = confidential_study(tmp_path / "real", 40)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("kept")
    with pytest.raises(ConfigError):
        twin(load_study(folder), tmp_path / "out")
    assert (tmp_path / "out" / "mine").read_text() == "kept"
    with pytest.raises(ConfigError):
        twin(load_study(folder), tmp_path / "out" / "mine")


def test_no_arm_is_read_before_the_plan_is_locked_or_while_masked(tmp_path: Path) -> None:
    config = confidential_config()
    del config["study"]["without_lock"]
    with pytest.raises(PlanError):
        twin(load_study(make_study(tmp_path / "unlocked", config, confidential_raw(40))), tmp_path / "out")
    config = confidential_config() | {}
    config["study"]["blinding"] = "masked"
    with pytest.raises(ConfigError):
        twin(load_study(make_study(tmp_path / "masked", config, confidential_raw(40))), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_too_few_units_for_the_least_cell_are_refused(tmp_path: Path) -> None:
    folder = confidential_study(tmp_path / "real", 18)
    with pytest.raises(DisclosureError):
        twin(load_study(folder), tmp_path / "out")
    twin(load_study(folder), tmp_path / "out", min_cell=3)


def test_a_file_that_cannot_be_written_in_its_format_is_named(tmp_path: Path) -> None:
    config = confidential_config()
    config["files"][0] |= {"path": "people.sas7bdat"}
    folder = make_study(tmp_path / "real", config, confidential_raw(40))
    with pytest.raises(DataError) as refused:
        twin(load_study(folder), tmp_path / "out")
    assert "people.sas7bdat" in str(refused.value)
