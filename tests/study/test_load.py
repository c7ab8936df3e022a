"""A configuration with a mistake is refused: file, line, key path, what was found, what is allowed, nearest name."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from pipanalysis.errors import ConfigError
from pipanalysis.study.load import load_study

Make = Callable[..., Path]


@pytest.fixture
def folder(study_folder: Make, root: Path) -> Path:
    return study_folder(root / "examples" / "beat-the-blues")


def edit(folder: Path, file: str, old: str, new: str) -> None:
    path = folder / "config" / file
    text = path.read_text(encoding="utf-8")
    assert text.count(old) >= 1, old
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def refusal(folder: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load_study(folder)
    return str(caught.value)


def test_every_study_in_the_repository_is_valid(root: Path) -> None:
    for folder in [root, *(path.parents[1] for path in (root / "examples").glob("*/config/study.yaml"))]:
        study = load_study(folder)
        assert study.reference_arm.reference if study.analysed else not study.arms
        assert list(study.visits.values()) == sorted(study.visits.values(), key=lambda visit: visit.months)


def test_columns_of_a_file_of_one_visit_may_hold_others(folder: Path) -> None:
    edit(folder, "study.yaml", "    key: subject\n    columns", "    key: subject\n    visit: baseline\n    columns")
    assert "month8" in load_study(folder).visits


def test_one_pass_shows_the_problems_of_every_file(folder: Path) -> None:
    edit(folder, "study.yaml", "  unit: patient", "  unti: patient")
    edit(folder, "analysis.yaml", "role: primary}", "role: primry}")
    edit(folder, "displays.yaml", "kind: baseline", "kind: basline")
    edit(folder, "instruments/bdi.yaml", "rule: item", "rule: itme")
    said = refusal(folder)
    assert said.startswith("configuration: 4 problems")
    for line in (
        r"config/study.yaml, line 7, study.unti",
        r"hint:    did you mean 'unit'\?",
        r"config/analysis.yaml, line 8, outcomes\[0\].role",
        r"hint:    did you mean 'primary'\?",
        r"config/displays.yaml, line 3, tables\[0\].kind",
        r"config/instruments/bdi.yaml, line 11, scores.total.rule",
        r"found:   'itme'",
        r"allowed: 'sum', 'mean', 'count', 'item'",
    ):
        assert re.search(line, said), (line, said)


@pytest.mark.parametrize(
    ("file", "old", "new", "where", "found", "hint"),
    [
        ("analysis.yaml", "score: bdi.total", "score: bdi.totl", "outcomes[0].score", "'bdi.totl'", "'bdi.total'"),
        (
            "analysis.yaml",
            "domain: depression, s",
            "domain: depresion, s",
            "outcomes[0].domain",
            "'depresion'",
            "'depression'",
        ),
        ("analysis.yaml", "analysis_set: all_randomised", "analysis_set: all", "analyses[0].analysis_set", "'all'", ""),
        (
            "analysis.yaml",
            "estimand: treatment_policy",
            "estimand: treatment",
            "analyses[2].estimand",
            "'treatment'",
            "'treatment_policy'",
        ),
        ("analysis.yaml", "[drug, episode, bdi.total]", "[drugs]", "baseline_characteristics[0]", "'drugs'", "'drug'"),
        ("analysis.yaml", "[baseline, month2,", "[month4,", "analysis_sets[1].complete_visits", "'month4'", "'month8'"),
        (
            "analysis.yaml",
            "covariance: us",
            "subgroup: dug\n    covariance: us",
            "analyses[2].subgroup",
            "'dug'",
            "'drug'",
        ),
        (
            "analysis.yaml",
            "covariance: us",
            "subgroup: drug\n    covariance: us",
            "tables[2].analyses",
            "primary in a table of effects",
            "",
        ),
        (
            "analysis.yaml",
            "method: ancova",
            "method: ancova\n    subgroup: drug",
            "analyses[4].subgroup",
            "subgroup of method ancova",
            "",
        ),
        (
            "displays.yaml",
            "[characteristics]",
            "[characteristic]",
            "tables[0].analyses",
            "'characteristic'",
            "'characteristics'",
        ),
        ("study.yaml", "strata: [drug, ", "strata: [drugs, ", "randomisation.strata[0]", "'drugs'", "'drug'"),
        ("study.yaml", "variable: drug", "variable: dug", "files[0].columns[0].variable", "'dug'", "'drug'"),
        ("study.yaml", "instrument: bdi,", "instrument: bdl,", "files[0].instruments[0].instrument", "'bdl'", "'bdi'"),
        ("study.yaml", "visit: month8", "visit: month9", "files[0].instruments[4]", "'month9'", ""),
        ("study.yaml", "name: month8", "name: month10", "visits[4]", "no file holds visit 'month10'", ""),
        ("study.yaml", "name: month8", "name: month5", "visits[4].name", "'month5'", ""),
        ("study.yaml", "reference: true, ", "", "arms", "0 arms with reference: true", ""),
        ("study.yaml", "codes: [BtheB]", "codes: [TAU]", "arms", "code 'TAU' stands for two arms", ""),
        ("study.yaml", "path: allocation.csv", "path: bdi.csv", "allocation.path", "'bdi.csv'", ""),
        (
            "study.yaml",
            "    key: subject\n    columns",
            "    key: subject\n    missing_codes: ['9']\n    columns",
            "files[0].instruments[0]",
            "missing code '9' is an allowed value of 'bdi'",
            "",
        ),
        (
            "study.yaml",
            "    key: subject\n    columns",
            "    key: subject\n    closed: true\n    columns",
            "files[0].closed",
            "closed, and no table of events",
            "",
        ),
        (
            "study.yaml",
            'type: category, levels: {"No": "No", "Yes": "Yes"}}',
            "type: date_of_birth, age_name: age, level: visit}",
            "files[0].columns[0]",
            "date of birth 'drug' in a table of events or visits",
            "",
        ),
        ("study.yaml", "path: bdi.csv", "path: ../bdi.csv", "files[0].path", "'../bdi.csv'", ""),
        ("study.yaml", "path: bdi.csv", "path: /etc/passwd", "files[0].path", "'/etc/passwd'", ""),
        ("study.yaml", "name: drug,", "name: Drug,", "variables[0].name", "'Drug'", ""),
        ("study.yaml", "data: real", "data: synthetic", "study.data", "no config/simulation.yaml", ""),
        ("study.yaml", "seed: 20030217", "seed: soon", "study.seed", "'soon'", ""),
        ("study.yaml", "  seed: 20030217\n", "", "study", "'seed' is missing", ""),
        ("study.yaml", "months: 8}", "months: .inf}", "visits[4].months", "inf", ""),
        ("instruments/bdi.yaml", "rule: item", "rule: threshold", "scores.total", "without scores", ""),
        ("instruments/bdi.yaml", "names: [total]", "count: 3\n  names: [total]", "items", "count and names", ""),
        ("instruments/bdi.yaml", "name: bdi", "name: beck", "name", "'beck'", ""),
    ],
)
def test_a_mistake_is_named(folder: Path, file: str, old: str, new: str, where: str, found: str, hint: str) -> None:
    edit(folder, file, old, new)
    said = refusal(folder)
    problem = next((part for part in said.split("\nconfig/") if where in part), None)
    assert problem is not None, said
    assert found in problem
    if hint:
        assert f"did you mean {hint}?" in problem


def test_mistakes_stand_in_one_order(folder: Path) -> None:
    """Names that are collected as sets, too, whose order changes from one process to the next."""
    names = ["ninth", "eighth", "fifth", "seventh", "first", "sixth", "third", "second"]
    edit(folder, "analysis.yaml", "complete_visits: [baseline", f"complete_visits: [{', '.join(names)}, baseline")
    edit(
        folder, "analysis.yaml", "complete_visits", f"any_outcome_after_baseline: [{', '.join(names)}], complete_visits"
    )
    found = re.findall(r"found: +'(\w+)'", refusal(folder))
    assert found == [*sorted(names), *sorted(names)]


@pytest.mark.parametrize("empty", ['""', '" "', '"\\n"'])
@pytest.mark.parametrize(
    ("file", "old", "where"),
    [
        ("study.yaml", "label: Beat the Blues", "arms[1].label"),
        ("study.yaml", "label: 8 months", "visits[4].label"),
        ("study.yaml", "unit: patient", "study.unit"),
        ("analysis.yaml", "label: BDI-II", "outcomes[0].label"),
        ("analysis.yaml", "label: Mixed model for repeated measures", "analyses[2].label"),
        ("displays.yaml", "title: Baseline characteristics by arm", "tables[0].title"),
    ],
)
def test_a_text_that_readers_see_is_not_empty(folder: Path, file: str, old: str, where: str, empty: str) -> None:
    edit(folder, file, old, f"{old.partition(':')[0]}: {empty}")
    said = refusal(folder)
    assert f"{where}\n  found:   {empty.replace('"', "'")}\n  allowed: text that readers see, not empty" in said


def test_line_breaks_of_a_label_are_spaces(folder: Path) -> None:
    edit(folder, "analysis.yaml", "label: BDI-II,", 'label: "Beck\\n\\tdepression ",')
    assert load_study(folder).outcomes["bdi"].label == "Beck depression"


def test_subgroup_is_known_before_randomisation_with_a_label_a_level(folder: Path) -> None:
    edit(folder, "analysis.yaml", "covariance: us", "subgroup: episode\n    covariance: us")
    edit(folder, "study.yaml", "6 months or more", "Under 6 months")
    assert "two levels of episode labelled 'Under 6 months'" in refusal(folder)
    edit(folder, "study.yaml", "name: episode,", "name: episode, measured: after_randomisation,")
    assert re.search(r"subgroup\n  found:   'episode'\n  allowed: a participant-level category", refusal(folder))


@pytest.mark.parametrize(
    ("file", "old", "new", "where", "found", "hint"),
    [
        (
            "analysis.yaml",
            "baseline_score: cesd.total",
            "baseline_score: cesd.totl",
            "baseline_score",
            "'cesd.totl'",
            "'cesd.total'",
        ),
        (
            "analysis.yaml",
            "baseline_score: cesd.total",
            "baseline_score: strange_situation.secure",
            "baseline_score",
            "'strange_situation.secure'",
            "",
        ),
        (
            "analysis.yaml",
            "baseline_score: cesd.total",
            "baseline: false\n    baseline_score: cesd.total",
            "baseline_score",
            "with baseline: false",
            "",
        ),
        (
            "analysis.yaml",
            "    method: ancova\n",
            "    method: ancova\n    baseline_score: cesd.total\n",
            "baseline_score",
            "an analysis by ancova",
            "",
        ),
        (
            "displays.yaml",
            "[binary, binary_case, repeated_case]",
            "[binary, ancova]",
            "tables[4].analyses",
            "ancova, in a table of kind risks",
            "",
        ),
        (
            "displays.yaml",
            "[primary, secondary]",
            "[primary, binary]",
            "tables[2].analyses",
            "binary, in a table of kind effects",
            "",
        ),
    ],
)
def test_a_mistake_about_binary_outcomes_is_named(
    study_folder: Make, root: Path, file: str, old: str, new: str, where: str, found: str, hint: str
) -> None:
    folder = study_folder(root)
    edit(folder, file, old, new)
    said = refusal(folder)
    assert where in said
    assert found in said
    if hint:
        assert f"did you mean {hint}?" in said


def test_exit_status_and_kind() -> None:
    assert (ConfigError.exit_status, ConfigError.kind) == (10, "configuration")


def test_outcome_visits_are_those_of_the_instrument_in_time_order(root: Path) -> None:
    study = load_study(root / "examples" / "beat-the-blues")
    assert study.outcome_visits("bdi") == ["baseline", "month2", "month3", "month5", "month8"]
    assert study.baseline_visit is not None
    assert study.families() == ["describe", "mixed_model", "ancova", "mmrm", "flow", "double", "bayes"]
