"""Tables show what the collected results say, and nothing else."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipanalysis.display.multiplicity import families_note
from pipanalysis.display.step import tables
from pipanalysis.errors import DataError
from pipanalysis.estimate.analysis_results import Row, Scope, as_results
from pipanalysis.files import sha256, write_json, write_parquet
from pipanalysis.study.displays import Table
from pipanalysis.study.load import Study, load_study
from pipanalysis.study.plan import HypothesisFamily

CONTRAST = "beat_the_blues - usual_care"
MINUS = "\N{MINUS SIGN}"


class Page(HTMLParser):
    """The cells of the table's rows and all text of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.text: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.tags: list[str] = []
        self.in_cell = False
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self.in_cell = True

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self.rows[-1][-1] = self.rows[-1][-1].strip("\n ")
            self.in_cell = False

    def handle_data(self, data: str) -> None:
        self.text.append(data)
        if self.in_cell:
            self.rows[-1][-1] += data

    def row(self, label: str) -> list[str]:
        """Return the cells of the one row with a label."""
        found = [cells[1:] for cells in self.rows if cells and cells[0].strip() == label]
        assert len(found) == 1, (label, self.rows)
        return found[0]


@pytest.fixture
def study(study_folder: Callable[..., Path], root: Path) -> Study:
    loaded = load_study(study_folder(root / "examples" / "beat-the-blues"))
    loaded.layout.allocation_record.parent.mkdir(parents=True)
    write_json(loaded.layout.allocation_record, {"allocation": "real"})
    return loaded


def scope(study: Study, name: str, method: str, outcome: str = "bdi") -> Scope:
    chosen = next(analysis for analysis in study.plan.analyses if analysis.name == name)
    return Scope(chosen, outcome, study.plan.domains[0].name, 0.95, method)


def effect(study: Study, **changed: Any) -> list[Row]:
    """The rows of the primary analysis at one visit."""
    of = scope(study, "primary", "mmrm us kenward-roger reml")
    said = {key: changed.pop(key) for key in ("warning", "error") if key in changed}
    status = changed.pop("status", 0)
    numbers = {
        "estimate": -3.10649,
        "std_error": 1.79,
        "df": 91.0,
        "conf_low": -6.6625,
        "conf_high": 0.4495,
        "statistic": -1.735,
        "p_value": 0.0861,
        "effect_size": -0.285,
        "effect_size_low": -0.611,
        "effect_size_high": 0.041,
    } | changed
    rows = [of.row(k, v, visit="month2", contrast=CONTRAST, **said) for k, v in numbers.items()]
    rows += [of.row("n", n, visit="month2", arm=a) for a, n in (("usual_care", 45), ("beat_the_blues", 52))]
    rows += [
        of.row("estimate", m, visit="month2", arm=a, **said)
        for a, m in (("usual_care", 18.2949), ("beat_the_blues", 15.1884))
    ]
    return [*rows, of.row("fit_status", status, **said)]


def described(study: Study) -> list[Row]:
    """The rows of one visit of the outcome by arm, and of one characteristic."""
    of = scope(study, "descriptives", "descriptives")
    numbers = {"n": 45, "n_missing": 3, "mean": 19.4667, "sd": 11.05, "median": 16, "q1": 11, "q3": 27.25}
    rows = [
        of.row(k, v, visit="month2", arm=arm)
        for arm in study.arms
        for k, v in (numbers | {"min": 0, "max": 48}).items()
    ]
    of = scope(study, "characteristics", "baseline", "episode")
    for arm, n, under in (("usual_care", 48, 26), ("beat_the_blues", 52, 23), ("", 100, 49)):
        rows += [of.row("n", n, arm=arm), of.row("n_missing", 0, arm=arm)]
        for label, count in (("Under 6 months", under), ("6 months or more", n - under)):
            rows.append(of.row("n_level", count, arm=arm, context=f"level={label}"))
            rows.append(of.row("percent", 100 * count / n, arm=arm, context=f"level={label}"))
    return [*rows, of.row("std_difference", 0.2, contrast=CONTRAST)]


def shown(study: Study, rows: list[Row], table: str = "effects") -> Page:
    """Return the page of a table, the only one that is rendered."""
    one = [each for each in study.displays.tables if each.name == table]
    displays = study.displays.model_copy(update={"tables": one, "formats": ["html"]})
    render(replace(study, displays=displays), rows)
    return Page(study.layout.table(table, "html"))


def render(study: Study, rows: list[Row]) -> None:
    write_parquet(study.layout.estimates, as_results(rows))
    tables(study)


def test_an_effect_is_shown_rounded_and_kept_whole(study: Study) -> None:
    page = shown(study, effect(study))
    cells = page.row("2 months")
    assert cells[:4] == ["45", "18.29", "52", "15.19"]
    assert cells[4:] == [
        f"{MINUS}3.11 ({MINUS}6.66 to 0.45)",
        "0.086",
        f"{MINUS}0.29 ({MINUS}0.61 to 0.04)",
    ]
    kept = pd.read_csv(study.layout.table("effects", "csv")).iloc[0]
    assert kept["estimate"] == -3.10649
    assert kept["p_value"] == 0.0861
    assert "mark" not in kept


def test_a_changed_number_changes_the_display(study: Study) -> None:
    before = shown(study, effect(study)).source
    assert shown(study, effect(study, p_value=0.0871)).source == before.replace(".086", ".087")


def test_outcomes_and_characteristics(study: Study) -> None:
    page = shown(study, described(study), "outcomes")
    assert page.row("2 months") == ["45 (3)", "19.5 (11.1)", "16.0 (11.0 to 27.3)"] * 2
    page = shown(study, described(study), "baseline")
    labels = [cells[0].strip() for cells in page.rows if cells]
    assert labels.index("Under 6 months") < labels.index("6 months or more")  # as configured, not by the alphabet
    assert page.row("Under 6 months") == ["26 (54%)", "23 (44%)", "49 (49%)", ""]
    assert page.row("Length of current episode, n (%)") == ["", "", "", "0.20"]
    assert any("Treatment as usual (N\u00a0=\u00a048)" in cells for cells in page.rows)


def test_a_failed_fit_is_not_a_number(study: Study) -> None:
    nothing = dict.fromkeys(("estimate", "std_error", "df", "conf_low", "conf_high", "statistic", "p_value"), np.nan)
    sizes = dict.fromkeys(("effect_size", "effect_size_low", "effect_size_high"), np.nan)
    page = shown(study, effect(study, **nothing, **sizes, status=3, error="no variation: all 97 values are 3"))
    assert page.row("2 months [a]")[4:] == ["not estimated", "–", "–"]
    assert "[a] no variation: all 97 values are 3" in page.text


def test_descriptions_say_of_whom_their_numbers_are(study: Study) -> None:
    text = shown(study, described(study), "baseline").text
    assert "Percentages, means and standard deviations are of those with a value." in text
    assert (
        "n: patients with a value; missing: those of the analysis set without one."
        in shown(study, described(study), "outcomes").text
    )


def in_family(study: Study, **options: str) -> Study:
    one = {"name": "main", "label": "Main", "method": "holm", "members": [{"analysis": "primary"}]}
    listed = [HypothesisFamily.model_validate(one | options)]
    return replace(study, plan=study.plan.model_copy(update={"families": listed}))


def adjusted(study: Study, value: float, **said: str) -> Row:
    of = scope(study, "primary", "mmrm us kenward-roger reml")
    where = {"visit": "month2", "contrast": CONTRAST, "context": "family=main"}
    return of.row("p_value_adjusted", value, **where, **said)


def test_adjusted_p_values_stand_beside_the_raw_ones(study: Study) -> None:
    study = in_family(study)
    page = shown(study, [*effect(study), adjusted(study, 0.1722)])
    assert page.row("2 months")[5:7] == ["0.086", "0.172"]
    assert any("P" in cells and cells[cells.index("P") + 1] == "Adjusted P" for cells in page.rows)
    assert any("Main: Holm, 4 hypotheses. The level is held in each family" in line for line in page.text)
    kept = pd.read_csv(study.layout.table("effects", "csv"))
    assert kept.loc[0, ["p_value", "p_value_adjusted", "family"]].tolist() == [0.0861, 0.1722, "main"]
    assert list(kept.columns).index("p_value_adjusted") == list(kept.columns).index("p_value") + 1


def test_a_fixed_sequence_is_given_in_its_order(study: Study) -> None:
    member = {"analysis": "primary", "visits": ["month8", "month2"]}
    family = HypothesisFamily.model_validate(
        {"name": "main", "label": "Main", "method": "fixed_sequence", "members": [member]}
    )
    assert "Main: fixed sequence, in the order BDI-II at 8 months, then BDI-II at 2 months." in families_note(
        study, [family]
    )


def test_no_adjusted_p_value_no_column(study: Study) -> None:
    page = shown(in_family(study), effect(study))
    assert not any("Adjusted P" in cells for cells in page.rows)
    assert "p_value_adjusted" not in pd.read_csv(study.layout.table("effects", "csv"))


def test_a_hypothesis_without_a_p_value_is_said_below_the_table(study: Study) -> None:
    study = in_family(study)
    nothing = dict.fromkeys(("estimate", "std_error", "df", "conf_low", "conf_high", "statistic", "p_value"), np.nan)
    sizes = dict.fromkeys(("effect_size", "effect_size_low", "effect_size_high"), np.nan)
    rows = effect(study, **nothing, **sizes, status=3, error="no variation")
    page = shown(study, [*rows, adjusted(study, 1.0, warning="no P value: counts as not rejected")])
    assert page.row("2 months [a]")[4:] == ["not estimated", "–", "1.000", "–"]
    assert "[a] no variation; no P value: counts as not rejected" in page.text


def by_level(study: Study) -> tuple[Study, list[Row]]:
    """A study whose primary analysis is by the length of the episode, with its rows at one visit."""
    analyses = [a.model_copy(update={"subgroup": "episode"}) if a.name == "primary" else a for a in study.plan.analyses]
    one = {"name": "levels", "number": "9", "kind": "subgroups", "title": "Subgroups", "analyses": ["primary"]}
    displays = study.displays.model_copy(update={"tables": [Table.model_validate(one)]})
    study = replace(study, plan=study.plan.model_copy(update={"analyses": analyses}), displays=displays)
    of = scope(study, "primary", "mmrm us kenward-roger reml")
    rows = [of.row("fit_status", 0), of.row("p_value_interaction", 0.3214, visit="month2")]
    for label, estimate, error in (("6 months or more", 1.234, ""), ("Under 6 months", np.nan, "too few")):
        context = f"subgroup={label}"
        rows += [of.row("n", 20, visit="month2", arm=arm, context=context) for arm in study.arms]
        for name, value in (("estimate", estimate), ("conf_low", estimate - 1), ("conf_high", estimate + 1)):
            rows.append(of.row(name, value, visit="month2", contrast=CONTRAST, context=context, error=error))
    return study, rows


def test_subgroups_show_levels_as_configured_and_the_interaction_with_the_visit(study: Study) -> None:
    study, rows = by_level(study)
    page = shown(study, rows, "levels")
    labels = [cells[0].strip() for cells in page.rows if cells]
    places = [labels.index(label) for label in ("2 months", "Under 6 months [a]", "6 months or more")]
    assert places == sorted(places)
    assert page.row("2 months") == ["", "", "", "0.321"]
    assert page.row("6 months or more") == ["20", "20", "1.23 (0.23 to 2.23)", ""]
    assert page.row("Under 6 months [a]") == ["20", "20", "not estimated", ""]
    assert "[a] too few" in page.text
    kept = pd.read_csv(study.layout.table("levels", "csv")).set_index("level")
    assert kept.loc["6 months or more", ["estimate", "p_value_interaction"]].tolist() == [1.234, 0.3214]


def test_status_and_warnings_are_footnotes(study: Study) -> None:
    page = shown(study, effect(study, status=1, warning="3 left out; k -1.7"))
    assert page.row("2 months [a]")[5] == "0.086"
    assert f"[a] a variance was estimated as zero, or nearly so; 3 left out; k {MINUS}1.7" in page.text


@pytest.mark.parametrize("data", ["synthetic", "real"])
@pytest.mark.parametrize(("blinding", "allocation"), [("open", "real"), ("masked", "masked"), ("open", "masked")])
def test_marks(study: Study, data: str, blinding: str, allocation: str) -> None:
    about = study.config.study.model_copy(update={"data": data, "blinding": blinding})
    study = replace(study, config=study.config.model_copy(update={"study": about}))
    write_json(study.layout.allocation_record, {"allocation": allocation})
    for name in ("baseline", "outcomes", "effects"):
        page = shown(study, effect(study) + described(study), name)
        text = "".join(page.text)
        listed = study.layout.table(name, "csv").read_text(encoding="utf-8")
        for face in (text, listed):
            assert ("SYNTHETIC DATA" in face) == (data == "synthetic")
            assert ("MASKED ALLOCATION" in face) == ("masked" in (blinding, allocation))
        assert ("lang", "en-GB") in page.attributes


def test_text_is_escaped_and_nothing_is_fetched(study: Study) -> None:
    page = shown(study, effect(study, warning="<script>alert('x')</script> & **bold**"))
    assert "script" not in page.tags
    assert "[a] <script>alert('x')</script> & **bold**" in page.text
    assert not {"img", "link", "iframe"} & set(page.tags)
    assert not [name for name, _ in page.attributes if name in ("src", "href")]
    assert "url(" not in page.source
    assert "@import" not in page.source


def test_no_results_take_one_line(study: Study) -> None:
    page = shown(study, described(study))
    assert "table" not in page.tags
    assert [line for line in page.text if line.startswith("No results")]
    assert study.layout.table("effects", "csv").exists()


def test_same_results_same_bytes(study: Study) -> None:
    def sums() -> dict[str, str]:
        shutil.rmtree(study.layout.rendered, ignore_errors=True)
        render(study, effect(study) + described(study))
        return {path.name: sha256(path) for path in study.layout.table("", "html").parent.iterdir()}

    first = sums()
    assert sums() == first
    assert len(first) == 5 * len(study.displays.tables)


def test_missing_or_damaged_input_is_told(study: Study) -> None:
    with pytest.raises(DataError, match=r"estimates\.parquet"):
        tables(study)
    shown(study, effect(study))
    study.layout.allocation_record.write_text("{", encoding="utf-8")
    with pytest.raises(DataError, match=r"allocation\.json"):
        tables(study)


def test_every_configured_table_is_made(study: Study) -> None:
    render(study, effect(study))
    made = {path.name for path in study.layout.table("", "html").parent.iterdir()}
    assert made == {f"{t.name}.{kind}" for t in study.displays.tables for kind in ("html", "docx", "rtf", "tex", "csv")}
    assert json.loads(study.layout.allocation_record.read_text()) == {"allocation": "real"}
