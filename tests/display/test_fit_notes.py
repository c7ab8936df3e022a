"""Warnings of the fits are told in the words of the study."""

import pytest

from pipanalysis.display.fit_notes import in_words
from pipanalysis.display.step import read_results, table_model
from pipanalysis.estimate.analysis_results import Scope, as_results
from pipanalysis.files import write_parquet
from pipanalysis.study.load import Study


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "left out for want of the baseline value: 1 unit(s), 2 observation(s)",
            "left out for want of the baseline value: 1 dyad, 2 observations",
        ),
        (
            "left out for want of the cesd.total: 2 unit(s), 1 observation(s)",
            "left out for want of the CES-D depressive symptoms: 2 dyads, 1 observation",
        ),
        (
            "left out for want of the infant_age: 3 unit(s), 5 observation(s)",
            "left out for want of the infant's age (months): 3 dyads, 5 observations",
        ),
        (
            "left out for want of Infant's age: 3 unit(s), 5 observation(s); left out for want of CES-D: 1 unit(s)",
            "left out for want of infant's age: 3 dyads, 5 observations; left out for want of CES-D: 1 dyad",
        ),
        (
            "sparse-cell: fewer than 5 units of an arm at a level (2 of control at Avoidant); separation: none",
            "sparse cell: fewer than 5 dyads of an arm at a level (2 of Routine care at Avoidant); separation: none",
        ),
        ("fell back; weak-instrument: F 3.2", "fell back; weak instrument: F 3.2"),
        ("event_type is not known in 1 row(s)", "kind of event is not known in 1 row"),
        ("levels with fewer than 5 units merged: 1 to 2", "levels with fewer than 5 dyads merged: 1 to 2"),
        (
            "complete cases: left out 8 in control, 10 in pip",
            "complete cases: left out 8 in Routine care, 10 in Parent-Infant Psychotherapy",
        ),
        ("weighted (k -1.71, 88% of a sparse-cell, 2005-09)", "weighted (k −1.71, 88% of a sparse-cell, 2005-09)"),
        ("since: 1 divergent trajectories, 0 allowed", "since: 1 divergent trajectory, 0 allowed"),
        ("since: 11 divergent trajectories, 0 allowed", "since: 11 divergent trajectories, 0 allowed"),
        ("under control of a pipette in controls", "under control of a pipette in controls"),
        ("no variation: all 97 values are 3", "no variation: all 97 values are 3"),
    ],
)
def test_counts_and_names_are_those_of_the_study(study: Study, said: str, told: str) -> None:
    assert in_words(study, said) == told


def test_a_table_tells_its_footnotes_in_words(study: Study) -> None:
    chosen = next(analysis for analysis in study.plan.analyses if analysis.name == "primary")
    of = Scope(chosen, "bayley_cognitive", "infant_development", 0.95, "mmrm")
    where = {"visit": "month6", "contrast": "pip - control"}
    rows = [of.row("estimate", 1.5, **where, warning="left out: 1 unit(s)"), of.row("fit_status", 0)]
    write_parquet(study.layout.estimates, as_results(rows))
    results, allocation = read_results(study)
    table = next(table for table in study.displays.tables if table.name == "effects")
    assert table_model(study, table, results, allocation).footnotes.texts == ["left out: 1 dyad"]
