"""Constrained longitudinal data analysis: the baseline as an outcome.

Liang and Zeger 2000, Sankhya B 62:134-148; Liu, Lu, Mogg, Mallick and Mehrotra 2009, Statistics in Medicine
28:2509-2530.
"""

from typing import TYPE_CHECKING

from pipanalysis.mmrm.formula import ModelFormula
from pipanalysis.mmrm.problems import ModelDataError

if TYPE_CHECKING:
    import pandas as pd


def with_baseline_rows(
    formula: ModelFormula,
    data: "pd.DataFrame",
    subject: str,
    visit: str,
    arm: str,
    baseline: str | None,
    baseline_visit: str,
) -> "pd.DataFrame":
    """The data with the baseline as a visit, which comes first among the levels.

    Raises ModelDataError, all problems at once: absent columns, a transformed response, no arm by visit term, a
    baseline that is used as a covariate as well or changes within a subject, a baseline visit that is in the data
    although it is to be made, or is not although it should be.
    """
    import pandas as pd

    from pipanalysis.mmrm.columns import Categorical, read_column

    problems = [
        f"column {name!r} is not in the data"
        for name in dict.fromkeys((subject, visit, arm, baseline or visit))
        if name not in data.columns
    ]
    if formula.response.column is None:
        problems.append(f"the response must be a column, found {formula.response.source}")
    if not any({arm, visit} == set(t.variables) and len(t.factors) == 2 for t in formula.terms):
        problems.append(f"formula {formula.text!r} needs the interaction {arm}:{visit}")
    if baseline is not None and baseline in formula.variables:
        problems.append(f"the baseline {baseline!r} is an outcome here and cannot be a covariate too")
    if problems:
        raise ModelDataError(problems)
    visits = read_column(data[visit], factor=True)
    assert isinstance(visits, Categorical)
    present = baseline_visit in visits.levels
    if baseline is None and not present:
        raise ModelDataError(f"{visit} has no level {baseline_visit!r}; the levels are {', '.join(visits.levels)}")
    labels = [visits.levels[c] if c >= 0 else None for c in visits.codes]
    later = [v for v in visits.levels if v != baseline_visit]
    stacked = data.copy()
    stacked[visit] = labels
    if baseline is not None:
        if present:
            raise ModelDataError(f"{visit} already has the level {baseline_visit!r}; give baseline_visit= another name")
        values = data.groupby(subject, observed=True)[baseline].nunique()
        changing = [str(s) for s in values.index[values > 1]]
        if changing:
            raise ModelDataError(f"{baseline} changes within {subject} {', '.join(changing[:5])}")
        # the first row with a value: a subject's baseline may be filled in on some of its rows only
        first = data.sort_values(baseline, kind="stable", na_position="last").drop_duplicates(subject).sort_index()
        rows = first.copy()
        rows[visit] = baseline_visit
        rows[str(formula.response.column)] = first[baseline]
        stacked = pd.concat([rows, stacked], ignore_index=True)
    stacked[visit] = pd.Categorical(stacked[visit], [baseline_visit, *later])
    return stacked
