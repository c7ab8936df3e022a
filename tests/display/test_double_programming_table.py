"""The table of double programming shows both programs' numbers as they are, and the difference that was found."""

import pandas as pd

from display.test_tables import MINUS, shown
from pipanalysis.estimate.analysis_results import Row, Scope
from pipanalysis.study.load import Study


def both(study: Study, difference: float, warning: str = "", means: tuple[float, ...] = ()) -> list[Row]:
    """Two programs' rows of the primary outcome at 12 months, and of the risk difference of secure attachment.

    means: differences of the programs' adjusted means of the arms.
    """
    named = {one.name: one for one in study.plan.analyses}
    rows: list[Row] = []
    cases = (
        ("primary", "bayley_cognitive", "", (-4.49805, 3.50217), (-4.498049, 3.502171)),
        ("binary", "attachment_secure", "measure=risk_difference", (0.00070, 0.12678), (0.00071, 0.12679)),
    )
    for name, outcome, context, first, second in cases:
        where = {"visit": "month12", "contrast": "pip - control"}
        domain = study.outcomes[outcome].domain
        own = Scope(named[name], outcome, domain, 0.95, "first")
        again = Scope(named["double_programming"], outcome, domain, 0.95, "second")
        repeated = f"analysis={name}" + (f"; {context}" if context else "")
        for stat, a, b in zip(("estimate", "std_error"), first, second, strict=True):
            rows.append(own.row(stat, a, **where, context=context))
            rows.append(again.row(stat, b, **where, context=repeated))
        rows.append(again.row("max_relative_difference", difference, **where, context=repeated, warning=warning))
        if name == "primary":
            for arm, one in zip(study.arms, means, strict=False):
                at = {"visit": "month12", "arm": arm, "context": repeated}
                rows.append(again.row("max_relative_difference", one, **at, warning="" if one == one else "no mean"))
    return rows


def test_both_programs_stand_side_by_side(study: Study) -> None:
    page = shown(study, both(study, 2.86e-7, means=(4.1e-8, 5.3e-7)), "double_programming")
    small, larger = "3\u00a0×\u00a010⁻⁷", "5\u00a0×\u00a010⁻⁷"
    assert page.row("12 months") == [f"{MINUS}4.4981", "3.5022", f"{MINUS}4.4980", "3.5022", small, larger]
    assert page.row("12 months, risk difference") == ["0.0007", "0.1268", "0.0007", "0.1268", small, "–"]
    said = " ".join(page.text)
    assert f"The largest here is {larger}." in said
    assert "SYNTHETIC DATA" in said
    record = pd.read_csv(study.layout.table("double_programming", "csv")).iloc[0]
    assert (record["first_estimate"], record["second_estimate"]) == (-4.49805, -4.498049)
    assert (record["max_relative_difference"], record["max_relative_difference_of_means"]) == (2.86e-7, 5.3e-7)


def test_visits_stand_in_time_order(study: Study) -> None:
    later = both(study, 1e-9)
    earlier = [{**row, "visit": "month6"} for row in both(study, 1e-9)]
    page = shown(study, [*later, *earlier], "double_programming")
    text = " ".join(page.text)
    assert text.index("6 months") < text.index("12 months")


def test_what_was_not_compared_is_said_and_not_hidden(study: Study) -> None:
    page = shown(study, both(study, float("nan"), "not compared: no value"), "double_programming")
    assert page.row("12 months [a]")[-2:] == ["–", "–"]
    assert "not compared: no value" in " ".join(page.text)
    page = shown(study, both(study, 1e-9, means=(float("nan"), 1e-9)), "double_programming")
    assert page.row("12 months [a]")[-2:] == ["1\u00a0×\u00a010⁻⁹", "–"]
    assert "no mean" in " ".join(page.text)
