"""Plans of treatment received, moderators and dyads that ask for what cannot be done: each is told by its rule."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipanalysis.errors import PipError
from pipanalysis.estimate.planning import check_whole_plan
from pipanalysis.study.load import load_study

PLAN, STUDY, TABLES = "analysis.yaml", "study.yaml", "displays.yaml"
THERAPIST = "    method: therapist\n"
BREAKS = {
    "exposure missing": (PLAN, "    exposure: {min_sessions: 8, per_sessions: 10}\n", "", "option-unsuited", "'cace'"),
    "exposure elsewhere": (
        PLAN,
        THERAPIST,
        f"{THERAPIST}    exposure: {{min_sessions: 8}}\n",
        "option-unsuited",
        "'therapists', method therapist, with exposure",
    ),
    "no therapist": (
        STUDY,
        "  therapist: therapist\n",
        "",
        "source-missing",
        "sessions of study.yaml without therapist",
    ),
    "unknown therapist": (STUDY, "  therapist: therapist\n", "  therapist: healer\n", "unknown-name", "'healer'"),
    "unknown date": (STUDY, "  date: session_date\n", "  date: day\n", "unknown-name", "'day'"),
    "date that is none": (STUDY, "  date: session_date\n", "  date: attended\n", "", "attended: a category"),
    "sessions of the reference": (
        STUDY,
        "  attended: attended\n  arm: pip\n",
        "  attended: attended\n  arm: control\n",
        "method-unsuited",
        "sessions of the reference arm, 'control'",
    ),
    "moderator after randomisation": (
        PLAN,
        "moderator: cesd.total",
        "moderator: strange_situation.secure",
        "subgroup-after-randomisation",
        "strange_situation.secure: not given at a visit before randomisation",
    ),
    "moderator that is a date": (
        PLAN,
        "moderator: infant_age",
        "moderator: randomisation_date",
        "moderator-unsuited",
        "randomisation_date: a date",
    ),
    "moderator after randomisation, a variable": (
        PLAN,
        "moderator: infant_age",
        "moderator: withdrawal_date",
        "subgroup-after-randomisation",
        "'withdrawal_date'",
    ),
    "moderator unknown": (PLAN, "moderator: infant_age", "moderator: infantage", "unknown-name", "'infantage'"),
    "moderator that is binary": (PLAN, "moderator: cesd.total", "moderator: cesd.case", "moderator-unsuited", "binary"),
    "moderator with subgroup": (
        PLAN,
        "    moderator: infant_age\n",
        "    moderator: infant_age\n    subgroup: infant_sex\n",
        "moderator-unsuited",
        "moderator of method mmrm, with subgroup",
    ),
    "values of no moderator": (
        PLAN,
        "    moderator: infant_age\n    moderator_at: [3, 6, 9]\n    covariance: us\n",
        "    moderator_at: [3, 6, 9]\n    covariance: us\n",
        "option-unsuited",
        "moderator_at without moderator",
    ),
    "a value twice": (PLAN, "moderator_at: [3, 6, 9]", "moderator_at: [3, 6, 3]", "repeated-name", "3 twice"),
    "a dyad of one": (
        PLAN,
        '      - {name: infant, label: "Infant: cognitive development", outcome: bayley_cognitive}\n'
        '      - {name: relationship, label: "Relationship: sensitivity", outcome: eas_sensitivity}\n',
        "",
        "option-unsuited",
        "'dyads' with 1 role(s)",
    ),
    "a role twice": (PLAN, "{name: infant,", "{name: mother,", "repeated-name", "'mother'"),
    "an outcome twice": (
        PLAN,
        'development", outcome: bayley_cognitive}',
        'development", outcome: cesd_total}',
        "repeated-name",
        "cesd_total in two roles",
    ),
    "an outcome without baseline": (
        PLAN,
        'sensitivity", outcome: eas_sensitivity}',
        'sensitivity", outcome: attachment_secure}',
        "method-unsuited",
        "attachment_secure: its score is binary",
    ),
    "a dyadic analysis that confirms": (
        PLAN,
        "    method: dyadic\n    role: exploratory\n",
        "    method: dyadic\n    role: supplementary\n",
        "method-unsuited",
        "supplementary analysis of method dyadic",
    ),
    "a dyadic analysis of the baseline": (
        PLAN,
        "    method: dyadic\n",
        "    method: dyadic\n    visits: [baseline, month6]\n",
        "method-unsuited",
        "'baseline'",
    ),
    "complier effects in a family": (
        PLAN,
        "      - {analysis: secondary, outcomes: [bayley_language, bayley_motor]}\n",
        "      - {analysis: cace, outcomes: [cesd_total]}\n",
        "unknown-name",
        "'cace'",
    ),
    "complier effects in a table of effects": (
        TABLES,
        "analyses: [primary, secondary]\n",
        "analyses: [primary, secondary, cace]\n",
        "display-unsuited",
        "cace in a table of effects",
    ),
    "a moderator in a table of effects": (
        TABLES,
        "analyses: [primary, secondary]\n",
        "analyses: [primary, secondary, by_infant_age]\n",
        "display-unsuited",
        "by_infant_age in a table of effects",
    ),
    "no moderator in a table of moderators": (
        TABLES,
        "analyses: [by_baseline_depression, by_infant_age]",
        "analyses: [by_baseline_depression, primary]",
        "display-unsuited",
        "primary in a table of moderators",
    ),
}


@pytest.mark.parametrize("mistake", BREAKS)
def test_a_mistake_is_told_by_its_rule(study_folder: Callable[..., Path], mistake: str) -> None:
    file, old, new, rule, found = BREAKS[mistake]
    folder = study_folder()
    path = folder / "config" / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(PipError) as caught:
        check_whole_plan(load_study(folder))
    told = [problem for problem in caught.value.problems if found in problem.found]
    assert told, [problem.found for problem in caught.value.problems]
    assert {problem.rule for problem in told} == {rule}
