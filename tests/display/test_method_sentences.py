"""What an analysis of the plan does, as a sentence."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest

from pipanalysis.display.method_sentences import method_sentence
from pipanalysis.study.load import Study
from pipanalysis.study.plan import Analysis


def test_no_sentence_of_a_method_says_its_label_twice(study: Study) -> None:
    said = {one.name: method_sentence(study, one.name) for one in study.plan.analyses}
    for one in study.plan.analyses:
        assert said[one.name].startswith(one.label)
        assert not said[one.name].lower().startswith(f"{one.label}: {one.label}".lower())
    assert said["binary"].startswith("Logistic regression at each visit, adjusted for site;")
    assert said["primary"].startswith("Mixed model for repeated measures: arm by visit, adjusted")


@pytest.mark.parametrize("method", get_args(Analysis.model_fields["method"].annotation))
def test_every_method_of_a_plan_has_a_sentence(study: Study, method: str) -> None:
    chosen = study.plan.analyses[0].model_copy(update={"method": method, "label": "Label"})
    plan = study.plan.model_copy(update={"analyses": [chosen, *study.plan.analyses[1:]]})
    said = method_sentence(replace(study, plan=plan), chosen.name)
    assert said.startswith("Label: ")
    assert "_" not in said
