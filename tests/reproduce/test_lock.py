"""The plan lock: real allocation is read under it alone, and what changes after it is told analysis by analysis."""

import datetime as dt
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from pipanalysis.derive.allocation import allocate
from pipanalysis.derive.step import derive
from pipanalysis.display.report_methods import methods
from pipanalysis.display.report_model import Paragraph
from pipanalysis.display.step import tables
from pipanalysis.errors import ConfigError, PlanError
from pipanalysis.estimate.step import collect
from pipanalysis.intake.step import intake
from pipanalysis.reproduce.lock import lock
from pipanalysis.reproduce.manifest import manifest
from pipanalysis.study.load import load_study

DAY = dt.date(2003, 2, 17)
REASON = "  without_lock: the trial was published, with its data, before this plan was written\n"
TABLE = "  - {name: deviations, number: '40', kind: deviations, title: Analyses against the locked plan}\n"


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, (path, old)
    path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.fixture
def study(finished: Path) -> Path:
    """A real study before its allocation is read, with a table of deviations and no reason to do without a lock."""
    config = finished / "config"
    edit(config / "study.yaml", REASON, "")
    edit(config / "displays.yaml", "tables:\n", f"tables:\n{TABLE}")
    (finished / "data" / "derived" / "analysis" / "allocation.json").unlink()
    (finished / "data" / "derived" / "analysis" / "participants.parquet").unlink()
    return finished


def statuses(folder: Path) -> dict[str, str]:
    return {name: found.status for name, found in load_study(folder).statuses.items()}


def differing(folder: Path, analysis: str) -> str:
    return "; ".join(load_study(folder).statuses[analysis].differences)


# ---- the allocation


def test_real_allocation_is_not_read_without_a_lock(study: Path) -> None:
    (study / "data" / "raw" / "allocation.csv").unlink()  # it would be missed if it were looked for
    with pytest.raises(PlanError, match=r"pipanalysis lock") as refused:
        allocate(load_study(study))
    assert refused.value.problems[0].where == "config/lock.json"
    assert not (study / "data" / "derived" / "analysis" / "participants.parquet").exists()


def test_with_a_lock_it_is_read_and_the_record_names_the_lock(study: Path) -> None:
    said = lock(load_study(study), "1.0", DAY)
    written = (study / "config" / "lock.json").read_bytes()
    assert hashlib.sha256(written).hexdigest() in said
    allocate(load_study(study))
    record = json.loads((study / "data" / "derived" / "analysis" / "allocation.json").read_text())
    assert record["lock"] == {"version": "1.0", "date": "2003-02-17", "sha256": hashlib.sha256(written).hexdigest()}


def test_a_reason_in_its_place_stands_on_every_display(finished: Path) -> None:
    pages = list((finished / "results" / "tables").glob("*.html"))
    assert len(pages) == len(load_study(finished).displays.tables) > 2
    for page in pages:
        assert "NO PLAN LOCK" in page.read_text()
        assert "published, with its data, before this plan was written" in page.read_text()
    for table in (finished / "results" / "tables").glob("*.csv"):
        assert pd.read_csv(table)["mark"].str.contains("NO PLAN LOCK").all()


def test_with_a_lock_no_display_says_that_there_is_none(study: Path) -> None:
    lock(load_study(study), "1.0", DAY)
    allocate(load_study(study))
    tables(load_study(study))
    for page in (study / "results" / "tables").glob("*.html"):
        assert "NO PLAN LOCK" not in page.read_text()


def test_synthetic_data_need_no_lock(study_folder: Callable[..., Path]) -> None:
    folder = study_folder()
    assert "data: synthetic" in (folder / "config" / "study.yaml").read_text()
    loaded = load_study(folder)
    with pytest.raises(Exception, match=r"participants\.parquet"):  # the next thing it needs, not a lock
        allocate(loaded)
    assert set(statuses(folder).values()) == {"prespecified"}


def test_the_date_of_an_event_changes_the_analyses_that_leave_out_what_follows_it(
    study_folder: Callable[..., Path],
) -> None:
    folder = study_folder()
    lock(load_study(folder), "1.0", DAY)
    edit(folder / "config" / "analysis.yaml", 'values: {service: ["4"]}', 'values: {service: ["3", "4"]}')
    assert [name for name, status in statuses(folder).items() if status == "changed"] == ["no_other_treatment"]
    assert "service" in differing(folder, "no_other_treatment")


def test_where_sessions_and_events_stand_is_of_the_analyses_that_count_them(study_folder: Callable[..., Path]) -> None:
    folder = study_folder()
    lock(load_study(folder), "1.0", DAY)
    edit(folder / "config" / "study.yaml", "attended: attended\n  arm: pip", "attended: therapist_came\n  arm: pip")
    edit(
        folder / "config" / "study.yaml", "{name: attended, label: Attended,", "{name: therapist_came, label: Attended,"
    )
    edit(folder / "config" / "study.yaml", "- {variable: attended}", "- {variable: therapist_came, column: attended}")
    edit(folder / "config" / "study.yaml", '"5": Social services', '"6": Social services')
    edit(folder / "config" / "study.yaml", '"6": "Children\'s centre"', '"5": "Children\'s centre"')
    changed = {name for name, status in statuses(folder).items() if status == "changed"}
    plan = load_study(folder).plan.analyses
    methods = ("adherence", "therapist", "cace", "bayes_therapist", "service_use", "flow")
    counting = {a.name for a in plan if a.method in methods}
    per_protocol = {a.name for a in plan if a.analysis_set == "per_protocol"}
    assert changed == counting | per_protocol | {"no_other_treatment"}
    assert "therapist_came" in differing(folder, "cace")


# ---- what may be locked


def test_the_lock_holds_content_and_checksums_of_plan_instruments_and_code(study: Path) -> None:
    lock(load_study(study), "1.0", DAY)
    content = json.loads((study / "config" / "lock.json").read_text())
    assert set(content["content_sha256"]) == {
        "config/study.yaml",
        "config/analysis.yaml",
        "config/instruments/bdi.yaml",
    }
    package = Path(load_study.__code__.co_filename).parents[1]
    code = {entry["path"]: entry["sha256"] for entry in content["code"]}
    assert (
        code["pipanalysis/mmrm/engine.py"] == hashlib.sha256((package / "mmrm" / "engine.py").read_bytes()).hexdigest()
    )
    assert len(code) == len(list(package.rglob("*.py")))


def test_the_same_plan_and_date_give_the_same_bytes(study: Path) -> None:
    lock(load_study(study), "1.0", DAY)
    first = (study / "config" / "lock.json").read_bytes()
    (study / "config" / "lock.json").unlink()
    lock(load_study(study), "1.0", DAY)
    assert (study / "config" / "lock.json").read_bytes() == first


def test_a_lock_is_not_replaced_without_a_reason_and_keeps_its_history(study: Path) -> None:
    lock(load_study(study), "1.0", DAY)
    first = (study / "config" / "lock.json").read_bytes()
    with pytest.raises(PlanError, match=r"version 1\.0 of 2003-02-17 is locked"):
        lock(load_study(study), "2.0", DAY)
    with pytest.raises(PlanError, match=r"2003-02-17, the earlier lock's, or later"):
        lock(load_study(study), "2.0", dt.date(2003, 2, 16), amends="a reason")
    assert (study / "config" / "lock.json").read_bytes() == first
    lock(load_study(study), "2.0", dt.date(2003, 3, 1), amends="recruitment was extended")
    (earlier,) = json.loads((study / "config" / "lock.json").read_text())["earlier"]
    assert earlier["sha256"] == hashlib.sha256(first).hexdigest()
    assert earlier["reason_for_the_next"] == "recruitment was extended"


def test_nothing_is_locked_once_the_real_allocation_has_been_read(study: Path) -> None:
    lock(load_study(study), "1.0", DAY)
    allocate(load_study(study))
    with pytest.raises(PlanError, match="before the allocation is read"):
        lock(load_study(study), "2.0", dt.date(2003, 3, 1), amends="to make post hoc analyses look planned")


def test_a_plan_that_cannot_be_carried_out_is_not_locked(study: Path) -> None:
    edit(study / "config" / "analysis.yaml", "method: ancova\n", "method: logistic\n    outcomes: [bdi]\n")
    with pytest.raises((PlanError, ConfigError)):
        lock(load_study(study), "1.0", DAY)
    assert not (study / "config" / "lock.json").exists()


@pytest.mark.parametrize("damage", ["{", "{}", '{"version": "1", "date": "d", "config": {"analysis.yaml": {}}}', "[1]"])
def test_a_damaged_lock_is_refused_with_its_place(study: Path, damage: str) -> None:
    (study / "config" / "lock.json").write_text(damage)
    with pytest.raises(ConfigError, match=r"config/lock\.json"):
        load_study(study)


# ---- what each analysis is after the lock


def test_an_untouched_plan_is_prespecified_and_labels_and_comments_do_not_count(study: Path) -> None:
    lock(load_study(study), "1.0", DAY)
    plan = study / "config" / "analysis.yaml"
    edit(plan, "label: Analysis of covariance at each visit", "label: ANCOVA")
    plan.write_text("# a comment\n" + plan.read_text())
    assert set(statuses(study).values()) == {"prespecified"}


@pytest.mark.parametrize(
    ("file", "old", "new", "changed", "told"),
    [
        (
            "analysis.yaml",
            "    covariance: us\n",
            "    covariance: us\n    df: kenward-roger-linear\n",
            {"primary"},
            "analysis.df: kenward-roger → kenward-roger-linear",
        ),
        (
            "analysis.yaml",
            "complete_visits: [baseline, month2, month3, month5, month8]",
            "complete_visits: [baseline]",
            set(),
            "",
        ),
        (
            "analysis.yaml",
            "summary: Difference between arms in means",
            "summary: Ratio of means",
            {"primary", "random_intercept", "ancova", "dropout", "dropout_multiple", "bayes"},
            "estimand.treatment_policy.summary: Difference between arms in means → Ratio of means",
        ),
        (
            "study.yaml",
            "months: 5}",
            "months: 4}",
            "all",
            "visits.month5.months: 5.0 → 4.0",
        ),
        (
            "study.yaml",
            "strata: [drug, episode]",
            "strata: [drug]",
            "all",
            'randomisation.strata: ["drug", "episode"] → ["drug"]',
        ),
    ],
)
def test_what_changed_is_told_for_each_analysis_that_rests_on_it(
    study: Path, file: str, old: str, new: str, changed: set[str] | str, told: str
) -> None:
    lock(load_study(study), "1.0", DAY)
    edit(study / "config" / file, old, new)
    found = statuses(study)
    expected = set(found) if changed == "all" else changed
    assert {name for name, status in found.items() if status == "changed"} == expected
    for name in expected:
        assert told in differing(study, name)


def told(folder: Path) -> str:
    """The methods' paragraph on changes to the plan."""
    last = methods(load_study(folder))[-1]
    assert isinstance(last, Paragraph)
    return last.text


def test_the_methods_of_the_report_tell_what_is_not_as_it_was_locked(study: Path) -> None:
    unlocked = told(study)
    assert unlocked.startswith("The plan is not locked (none has been made yet).")
    assert "Every analysis" not in unlocked
    lock(load_study(study), "1.0", DAY)
    assert told(study).startswith("Plan locked: version 1.0 of 2003-02-17; sha256 ")
    assert told(study).endswith(". No analysis differs.")
    edit(
        study / "config" / "analysis.yaml", "    covariance: us\n", "    covariance: us\n    df: kenward-roger-linear\n"
    )
    assert told(study).endswith(". Changed: Mixed model for repeated measures.")


def test_an_edited_instrument_changes_the_analyses_of_its_scores(study: Path) -> None:
    lock(load_study(study), "1.0", DAY)
    instrument = study / "config" / "instruments" / "bdi.yaml"
    edit(instrument, "max: 63}\n    better", "max: 60}\n    better")
    assert "instruments.bdi" in differing(study, "primary")
    assert "63" in differing(study, "primary")


def test_an_edited_moderator_changes_the_analyses_by_it(study_folder: Callable[..., Path]) -> None:
    folder = study_folder()
    lock(load_study(folder), "1.0", DAY)
    edit(folder / "config" / "study.yaml", "dates: [2004-06-01, 2008-12-31]", "dates: [2003-06-01, 2008-12-31]")
    found = statuses(folder)
    assert found["by_infant_age"] == "changed"
    assert found["by_baseline_depression"] == "prespecified"


def test_added_and_removed_analyses(study: Path) -> None:
    lock(load_study(study), "1.0", DAY)
    plan = study / "config" / "analysis.yaml"
    edit(plan, "  - name: hedges_g\n", "  - name: another\n")
    for title in ("Treatment effects on the BDI-II", "Standardised treatment effects"):
        shown = f"title: {title}, analyses: [primary, random_intercept, ancova, "
        edit(study / "config" / "displays.yaml", f"{shown}hedges_g", f"{shown}another")
    found = statuses(study)
    assert found["another"] == "post_hoc"
    assert found["hedges_g"] == "dropped"
    assert {name for name, status in found.items() if status != "prespecified"} == {"another", "hedges_g"}


def test_an_option_that_a_later_version_of_the_program_adds_is_no_change(study: Path) -> None:
    lock(load_study(study), "1.0", DAY)
    path = study / "config" / "lock.json"
    content = json.loads(path.read_text())
    for analysis in content["config"]["analysis.yaml"]["analyses"]:
        del analysis["standard_error"]
    path.write_text(json.dumps(content))
    assert set(statuses(study).values()) == {"prespecified"}


def test_results_displays_and_manifest_tell_what_changed(study: Path) -> None:
    lock(load_study(study), "1.0", DAY)
    plan = study / "config" / "analysis.yaml"
    edit(plan, "    covariance: us\n", "    covariance: us\n    df: kenward-roger-linear\n")
    edit(plan, "  - name: hedges_g\n", "  - name: another\n")
    for title in ("Treatment effects on the BDI-II", "Standardised treatment effects"):
        shown = f"title: {title}, analyses: [primary, random_intercept, ancova, "
        edit(study / "config" / "displays.yaml", f"{shown}hedges_g", f"{shown}another")
    plan.write_text(plan.read_text() + "\ndeviations:\n  - {analysis: primary, reason: <b>too few</b> patients}\n")
    from pipanalysis.estimate.step import estimate

    loaded = load_study(study)
    allocate(loaded)
    for family in loaded.families():
        estimate(loaded, family)
    collect(loaded)
    tables(loaded)
    manifest(loaded)
    results = pd.read_csv(study / "results" / "estimates.csv")
    planned = results.groupby("analysis")["prespecified"].agg(["min", "max"])
    assert {name for name in planned.index if not planned.loc[name, "max"]} == {"primary", "another"}
    assert planned.drop(["primary", "another"])["min"].all()
    table = pd.read_csv(study / "results" / "tables" / "deviations.csv", keep_default_na=False).set_index("analysis")
    assert table["status"].to_dict() == statuses(study)
    assert "analysis.df: kenward-roger → kenward-roger-linear" in table.loc["primary", "differences"]
    page = (study / "results" / "tables" / "deviations.html").read_text()
    assert "version 1.0 of 2003-02-17" in page
    assert "&lt;b&gt;too few&lt;/b&gt; patients" in page
    assert page.count("no reason given") == 2  # of the one added and the one left out
    effects = (study / "results" / "tables" / "effects.html").read_text()
    assert "Changed after the plan was locked: analysis.df: kenward-roger → kenward-roger-linear" in effects
    assert "Post hoc: not in the locked plan." in effects
    recorded = json.loads((study / "results" / "manifest.json").read_text())["lock"]
    assert recorded["version"] == "1.0"
    assert recorded["modules_changed_since"] == []


def test_the_manifest_names_modules_changed_since_the_lock(study: Path) -> None:
    lock(load_study(study), "1.0", DAY)
    path = study / "config" / "lock.json"
    content = json.loads(path.read_text())
    content["code"][3]["sha256"] = "0" * 64
    named = content["code"][3]["path"]
    content["code"].append({"path": "pipanalysis/gone.py", "sha256": "0" * 64})
    path.write_text(json.dumps(content))
    allocate(load_study(study))
    manifest(load_study(study))
    recorded = json.loads((study / "results" / "manifest.json").read_text())["lock"]
    assert recorded["modules_changed_since"] == sorted([named, "pipanalysis/gone.py"])


def test_a_reason_for_an_unknown_analysis_is_refused(study: Path) -> None:
    plan = study / "config" / "analysis.yaml"
    plan.write_text(plan.read_text() + "\ndeviations:\n  - {analysis: primari, reason: x}\n")
    with pytest.raises(ConfigError, match=r"did you mean 'primary'"):
        load_study(study)


def test_a_table_of_deviations_names_no_analyses_and_the_others_do(study: Path) -> None:
    displays = study / "config" / "displays.yaml"
    edit(displays, "by arm and visit, analyses: [descriptives]", "by arm and visit")
    with pytest.raises(ConfigError, match=r"a table of outcomes has analyses: at least one"):
        load_study(study)


def test_masked_studies_derive_and_allocate_without_a_lock(study: Path) -> None:
    edit(study / "config" / "study.yaml", "blinding: open", "blinding: masked")
    loaded = load_study(study)
    intake(loaded)
    derive(loaded)
    assert "masked" in allocate(loaded)
