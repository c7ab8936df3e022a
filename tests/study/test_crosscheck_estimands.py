"""Intercurrent events whose date is not where the plan says, and estimands that an analysis cannot carry out."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipanalysis.errors import PipError
from pipanalysis.estimate.planning import check_whole_plan
from pipanalysis.study.load import load_study

WHEN = 'when: {table: contacts, date: contact_date, values: {service: ["4"]}}'
HYPOTHETICAL = "      - {event: other_treatment, strategy: hypothetical}\n"
BREAKS = {
    "unknown table": (WHEN, WHEN.replace("contacts", "contact"), "unknown-name", "'contact'"),
    "unknown date": (WHEN, WHEN.replace("contact_date", "day"), "unknown-name", "'day'"),
    "date that is none": (WHEN, WHEN.replace("contact_date", "service"), "unknown-name", "'service'"),
    "unknown variable": (WHEN, WHEN.replace("{service:", "{kind:"), "unknown-name", "'kind'"),
    "unknown code": (WHEN, WHEN.replace('"4"', '"9"'), "unknown-name", "'9'"),
    "no code": (WHEN, WHEN.replace('["4"]', "[]"), "unknown-name", "no code"),
    "table of nobody": (WHEN, WHEN.replace("contacts", "screening"), "source-missing", "table 'screening'"),
    "values of no table": (
        WHEN,
        "when: {date: withdrawal_date, values: {site: [site_a]}}",
        "option-unsuited",
        "values",
    ),
    "date of no participant": (WHEN, "when: {date: visit_date}", "unknown-name", "'visit_date'"),
    "event without a date": (WHEN, "", "intercurrent-event-undated", "hypothetical for 'other_treatment'"),
    "composite of a score without a worst value": (
        HYPOTHETICAL,
        HYPOTHETICAL.replace("hypothetical", "composite"),
        "estimand-unsuited",
        "'eas_sensitivity', whose score has no worst value",
    ),
    "method without values": (
        "    method: harms\n",
        "    method: harms\n    estimand: no_other_treatment\n",
        "estimand-unsuited",
        "'no_other_treatment', which alters values, of method harms",
    ),
}


@pytest.mark.parametrize("case", BREAKS)
def test_what_cannot_be_done_is_refused(study_folder: Callable[..., Path], case: str) -> None:
    folder = study_folder()
    old, new, rule, said = BREAKS[case]
    if case.startswith("composite"):
        scores = folder / "config" / "instruments" / "eas.yaml"
        text = scores.read_text(encoding="utf-8")
        assert ", better: higher" in text
        scores.write_text(text.replace(", better: higher", "", 1), encoding="utf-8")
    path = folder / "config" / "analysis.yaml"
    text = path.read_text(encoding="utf-8")
    assert old in text, old
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(PipError) as caught:
        check_whole_plan(load_study(folder))
    found = [problem for problem in caught.value.problems if said in problem.found]
    assert [problem.rule for problem in found] == [rule]


def test_a_date_of_the_participants_is_accepted(study_folder: Callable[..., Path]) -> None:
    folder = study_folder()
    path = folder / "config" / "analysis.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(WHEN, "when: {date: withdrawal_date}"), encoding="utf-8")
    check_whole_plan(load_study(folder))
