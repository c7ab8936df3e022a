"""How old the participants were when they were assessed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from pipanalysis.progress.data import ProgressData

COLUMNS = ["age", "visit", "n", "lowest", "q1", "median", "q3", "highest"]


def ages_at_assessment(data: ProgressData) -> pd.DataFrame:
    """Return quartiles and range of each age (months) at the assessments done: a row per age and visit with any."""
    rows = []
    for variable in data.study.config.variables:
        if variable.type != "date_of_birth" or variable.age_name not in data.visits:
            continue
        label = variable.age_label or variable.age_name
        for visit in data.study.visits:
            ages = data.visits.loc[(data.visits["visit"] == visit) & data.visits["done"], variable.age_name].dropna()
            if len(ages):
                low, q1, median, q3, high = ages.quantile([0, 0.25, 0.5, 0.75, 1])
                rows.append((label, visit, len(ages), low, q1, median, q3, high))
    return pd.DataFrame(rows, columns=COLUMNS)
