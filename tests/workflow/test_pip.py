"""The PIP study from nothing to its tables, and what happens when something changes."""

import hashlib
import json
import re
import shutil
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from statsmodels.discrete.discrete_model import MNLogit, NegativeBinomial
from statsmodels.genmod.generalized_estimating_equations import GEE
from statsmodels.genmod.generalized_linear_model import GLM
from statsmodels.miscmodels.ordinal_model import OrderedModel
from statsmodels.regression.linear_model import OLS
from statsmodels.regression.mixed_linear_model import MixedLM
from statsmodels.sandbox.regression.gmm import IV2SLS

from display.tracing import Rounded, displays
from estimate.names import names_in_sentences
from pipanalysis.estimate import therapist
from pipanalysis.estimate.step import family_results
from pipanalysis.estimate.trial_data import read_trial_data
from pipanalysis.mmrm import MMRM
from pipanalysis.reproduce.readable import netcdf_words
from pipanalysis.study.load import Study, load_study
from pipanalysis.study.plan import BLINDED_FAMILIES
from workflow.conftest import Workflow, made, made_again


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


FIGURES = ("figures", "more_figures")


def fewer_bayesian_fits(plan: Path) -> None:
    """Keep one set of priors, and of the continuous outcomes one of each domain, jointly two of one: minutes less."""
    text = plan.read_text(encoding="utf-8")
    text = re.sub(r"    - name: sceptical\n.*?(?=  mcids:\n)", "", text, flags=re.DOTALL)
    for name, few in (
        ("bayes_single", "bayley_cognitive, cesd_total, eas_sensitivity"),
        ("bayes_joint", "bayley_cognitive, bayley_language, cesd_total, eas_sensitivity"),
        ("bayes_therapist", "cesd_total"),
    ):
        start = text.index("    outcomes:", text.index(f"- name: {name}\n"))
        kept = f"    outcomes: [{few}]\n"
        text = text[:start] + re.sub(r"    outcomes:(\n(      - \w+\n)+| \[.*\]\n)", kept, text[start:], count=1)
    plan.write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def finished(root: Path, workflow: Workflow, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pip")
    shutil.copytree(root / "config", folder / "config")
    fewer_bayesian_fits(folder / "config" / "analysis.yaml")
    run = workflow(folder)
    assert run.status == 0, run.said
    assert sum(run.jobs.values()) <= 23
    return folder


@pytest.fixture
def folder(finished: Path) -> Path:
    """The finished study; a test that edits its configuration finds it as it was."""
    shutil.rmtree(finished / "config.kept", ignore_errors=True)
    shutil.copytree(finished / "config", finished / "config.kept")
    yield finished
    shutil.rmtree(finished / "config")
    (finished / "config.kept").rename(finished / "config")


def test_the_three_tables_are_there(finished: Path) -> None:
    for name in ("baseline", "outcomes", "effects"):
        page = (finished / "results" / "tables" / f"{name}.html").read_text(encoding="utf-8")
        assert "synthetic" in page.lower()
        assert len(pd.read_csv(finished / "results" / "tables" / f"{name}.csv")) > 5


def test_two_programs_agree_on_every_primary_and_secondary_estimate_and_under_another_estimand(finished: Path) -> None:
    results = pd.read_parquet(finished / "results" / "estimates.parquet")
    chosen = results["role"].isin(["primary", "secondary"]) | (results["analysis"] == "no_other_treatment")
    estimates = results[chosen & (results["stat_name"] == "estimate")]
    context = estimates["context"]
    reported = context.eq("") | context.str.match(r"measure=(risk_difference|risk_ratio|odds_ratio|probability_diff)")
    contrasts = estimates[reported & (estimates["contrast"] != "")]
    of_arms = estimates[context.eq("") & (estimates["contrast"] == "") & (estimates["arm"] != "")]
    means = of_arms[of_arms["method"].str.startswith("mmrm ")]
    found = results[(results["analysis"] == "double_programming") & (results["stat_name"] == "max_relative_difference")]
    assert len(found[found["contrast"] != ""]) == len(contrasts) > 40
    assert len(found[found["contrast"] == ""]) == len(means) > 80
    assert found["stat"].max() < 1e-6


def test_nothing_changed_nothing_done(folder: Path, workflow: Workflow) -> None:
    before = made(folder, "data", "results")
    run = workflow(folder)
    assert run.status == 0, run.said
    assert "Nothing to be done" in run.said
    assert made(folder, "data", "results") == before


@pytest.mark.validation
def test_made_again_in_other_surroundings_it_has_the_same_bytes(
    finished: Path, workflow: Workflow, tmp_path: Path
) -> None:
    """As Beat the Blues in the default suite, with every method and format of file that the PIP study has."""
    made_again(finished, ("config",), workflow, tmp_path)


@pytest.mark.parametrize(
    ("file", "old", "new", "rerun"),
    [
        ("analysis.yaml", "# The statistical analysis plan.", "# The plan.", set()),
        ("displays.yaml", "Outcomes by arm and visit", "Outcomes by arm", {"tables", "report", "manifest"}),
        (
            "analysis.yaml",
            "label: Analysis of covariance at each visit",
            "label: ANCOVA",
            {"statsmodels_families", "collect", "tables", *FIGURES, "report", "manifest"},
        ),
        (
            "analysis.yaml",
            "working_correlation: exchangeable",
            "working_correlation: independence",
            {"short_families", "collect", "tables", *FIGURES, "report", "manifest"},
        ),
        ("analysis.yaml", "after: primary", "gate: all", {"collect", "tables", *FIGURES, "report", "manifest"}),
        ("study.yaml", "seed: 20160302", "seed: 20160303", {"simulate", "allocate"}),
        ("instruments/cesd.yaml", "max_missing: 4", "max_missing: 3", {"simulate", "derive"}),
    ],
)
def test_a_changed_configuration_reruns_what_depends_on_it(
    folder: Path, workflow: Workflow, file: str, old: str, new: str, rerun: set[str]
) -> None:
    edit(folder / "config" / file, old, new)
    jobs = set(workflow(folder, "--dry-run").jobs) - {"all"}
    if "simulate" in rerun:
        assert rerun <= jobs
    else:
        assert jobs == rerun


def test_a_mistake_in_the_configuration_stops_the_workflow_with_its_place(folder: Path, workflow: Workflow) -> None:
    edit(folder / "config" / "analysis.yaml", "score: cesd.total", "score: cesd.totl")
    run = workflow(folder)
    assert run.status != 0
    assert "did you mean 'cesd.total'?" in run.said
    assert "Traceback" not in run.said


def test_steps_on_the_way_to_blinded_displays_do_not_depend_on_the_allocation(folder: Path, workflow: Workflow) -> None:
    run = workflow(folder, "--dry-run", "--forceall", "--printshellcmds", "data/derived/scores.parquet")
    assert set(run.jobs) == {"simulate", "intake", "derive"}
    inputs = [line for line in run.said.splitlines() if line.strip().startswith("input:")]
    assert inputs
    assert not any(word in line for line in inputs for word in ("allocation", "sessions", "closed"))


def test_masked_analysis_reads_no_file_that_reveals_the_arm(folder: Path, workflow: Workflow) -> None:
    edit(folder / "config" / "study.yaml", "blinding: open", "blinding: masked")
    run = workflow(folder, "--dry-run", "--forceall")
    assert "intake_closed" not in run.jobs
    inputs = [line for line in run.said.splitlines() if line.strip().startswith("input:")]
    assert not any("allocation.csv" in line or "sessions" in line or "closed" in line for line in inputs)


def test_masked_adherence_has_no_numbers_and_says_why(finished: Path, tmp_path: Path, workflow: Workflow) -> None:
    folder = Path(shutil.copytree(finished, tmp_path / "masked"))
    edit(folder / "config" / "study.yaml", "blinding: open", "blinding: masked")
    (folder / "data" / "derived" / "closed" / "events_sessions.parquet").write_bytes(b"not to be opened")
    run = workflow(folder, "results/estimates/safety.parquet")
    assert run.status == 0, run.said
    results = pd.read_parquet(folder / "results" / "estimates" / "safety.parquet")
    sessions = results[results["outcome"] == "sessions"]
    assert len(sessions) == 1
    assert sessions["stat"].isna().all()
    assert "not read while the allocation is masked" in sessions["warning"].item()
    assert results.loc[results["outcome"] == "adverse_events", "stat"].notna().all()


def test_measurement_does_not_depend_on_the_allocation(folder: Path, workflow: Workflow) -> None:
    run = workflow(folder, "--dry-run", "--forceall", "results/estimates/measurement.parquet")
    assert set(run.jobs) == {"simulate", "intake", "derive", "measurement"}


def test_only_analyses_of_events_read_event_tables_beside_allocate(folder: Path, workflow: Workflow) -> None:
    run = workflow(folder, "--dry-run", "--forceall", "--printshellcmds")
    rules = run.said.split("\nrule ")[1:]
    reading = {
        rule.partition(":")[0]
        for rule in rules
        if any("events_" in line for line in rule.splitlines() if line.strip().startswith("input:"))
    }
    # `all` asks for them, and reads nothing
    assert reading - {"all"} == {"allocate", "event_families", "measurement", "bayes"}


def words(path: Path) -> str:
    """Return what a result file says; PNG and PDF files are made from what SVG and HTML files are made from."""
    if path.suffix == ".parquet":
        return pd.read_parquet(path).select_dtypes(exclude="number").to_csv()
    if path.suffix == ".docx":
        with zipfile.ZipFile(path) as parts:
            return " ".join(parts.read(name).decode() for name in parts.namelist() if name.endswith(".xml"))
    if path.suffix == ".nc":
        return " ".join(netcdf_words(path))
    if path.suffix in (".png", ".pdf"):
        return ""
    return re.sub(r"base64,[^\"]*", "", path.read_text(encoding="utf-8"))


def test_results_hold_no_participant(finished: Path) -> None:
    units = set(pd.read_parquet(finished / "data" / "derived" / "participants.parquet")["unit"])
    assert len(units) >= 76
    any_unit = re.compile(rf"\b({'|'.join(map(re.escape, sorted(units)))})\b")
    assert any_unit.search(f"<td>{min(units)}</td>")
    for path in (finished / "results").rglob("*"):
        if path.is_file():
            assert not any_unit.findall(words(path)), path


def shown(finished: Path) -> tuple[Study, pd.DataFrame, dict[str, Any]]:
    """The finished study with its results and the record of its allocation."""
    study = load_study(finished)
    record = json.loads(study.layout.allocation_record.read_text(encoding="utf-8"))
    return study, pd.read_parquet(study.layout.estimates), record


def test_no_name_of_the_configuration_is_in_a_sentence(finished: Path) -> None:
    results = pd.read_parquet(finished / "results" / "estimates.parquet")
    assert results["warning"].nunique() > 20
    assert names_in_sentences(load_study(finished), results) == set()


def test_every_number_of_every_display_is_a_row_of_the_results(finished: Path) -> None:
    study, results, record = shown(finished)
    known = set(results["stat"].dropna())
    numbers = 0
    for display in displays(study, results, record):
        own = Rounded(pd.Series(display.numbers, dtype=float))
        assert set(display.numbers) <= known, display.name
        assert not [cell for cell in display.cells if not own.has(cell)], display.name
        numbers += len(display.numbers)
    assert numbers > 5000


def test_a_changed_number_changes_what_shows_it_and_nothing_else(finished: Path) -> None:
    study, results, record = shown(finished)
    before = {display.name: display for display in displays(study, results, record)}
    counts = results["stat"].value_counts()
    once = set(counts[counts == 1].index)
    chosen = {next((n for n in display.numbers if n in once), None) for display in before.values()} - {None}
    assert len(chosen) > 8
    # All at once: each becomes a number that is nowhere else, so each display must show its own new ones alone.
    new = {old: old + 0.0123456789 + i * 1e-7 for i, old in enumerate(sorted(chosen))}
    assert len(set(new.values()) - set(results["stat"])) == len(new)
    changed = results.assign(stat=results["stat"].replace(new))
    for display in displays(study, changed, record):
        expected = [new.get(number, number) for number in before[display.name].numbers]
        assert sorted(display.numbers) == sorted(expected), display.name


def test_every_display_is_there_in_every_format(finished: Path) -> None:
    study = load_study(finished)
    for table in study.displays.tables:
        for ending in ("html", "docx", "rtf", "tex", "csv"):
            assert study.layout.table(table.name, ending).stat().st_size > 100
    for figure in study.displays.figures:
        for ending in ("svg", "pdf", "png", "txt"):
            assert study.layout.figure(figure.name, ending).stat().st_size > 100
    for ending in ("html", "pdf"):
        assert study.layout.report(ending).stat().st_size > 100_000


def test_raw_files_of_another_hand_are_not_overwritten(folder: Path, workflow: Workflow) -> None:
    raw = folder / "data" / "raw" / "participants.csv"
    kept = raw.read_bytes()
    raw.write_bytes(kept + b"\n")
    try:
        run = workflow(folder)
        assert run.status != 0
        assert "a file that `simulate` did not write" in run.said
        assert raw.read_bytes() == kept + b"\n"
    finally:
        raw.write_bytes(kept)


def test_no_model_of_the_study_is_fitted_twice(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One fit serves every statistic that needs it: no two fits of one response, design and covariance structure."""
    fits: Counter[tuple[str, str]] = Counter()

    def count(kind: str, *arrays: Any) -> None:
        content = b"".join(np.ascontiguousarray(array, dtype=float).tobytes() for array in arrays)
        fits[kind, hashlib.sha256(content).hexdigest()] += 1

    def counted(owner: type, name: str, noted: Callable[..., tuple[Any, ...]]) -> None:
        original = getattr(owner, name)

        def fit(self: Any, *given: Any, **options: Any) -> Any:
            count(*noted(self, *given))
            return original(self, *given, **options)

        monkeypatch.setattr(owner, name, fit)

    counted(MMRM, "_fit_structure", lambda _, structure, frame, X: (f"mmrm {structure}", frame.response, X.values))
    counted(MixedLM, "fit", lambda self, *_: (f"MixedLM {self.k_re}", self.endog, self.exog))
    for model in (OLS, GEE, OrderedModel, MNLogit, NegativeBinomial):
        counted(model, "fit", lambda self, *_, name=model.__name__: (name, self.endog, self.exog))
    counted(GLM, "fit", lambda self, *_: (f"GLM {type(self.family).__name__}", self.endog, self.exog))
    counted(IV2SLS, "fit", lambda self, *_: ("IV2SLS", self.endog, self.exog, self.instrument))
    nested = therapist.fit_partially_nested
    monkeypatch.setattr(
        therapist, "fit_partially_nested", lambda *arrays: (count("partially nested", *arrays), nested(*arrays))[1]
    )
    study = load_study(finished)
    for family in study.families():
        # Those fit by sampling, fit no model, or fit again what another family has, for that is what they are for.
        if family not in ("bayes", "double", *BLINDED_FAMILIES):
            family_results(read_trial_data(study), family)
    kinds = {kind.partition(" ")[0] for kind, _ in fits}
    assert {"mmrm", "MixedLM", "OLS", "GLM", "GEE", "OrderedModel", "NegativeBinomial", "IV2SLS", "partially"} <= kinds
    assert len(fits) > 100
    assert {key: n for key, n in fits.items() if n > 1} == {}
