"""When visits are due."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from pipanalysis.study.study import Visit


def target_dates(randomised_on: pd.Series, visit: Visit) -> pd.Series:
    """Return the day a visit is due: so many calendar months after randomisation.

    Where the month is too short the last day counts (31 August + 6 months = 28 or 29 February). A part of a month is
    taken as that part of 30.4375 days.
    """
    whole = int(visit.months)
    days = round((visit.months - whole) * 30.4375)
    return randomised_on + pd.DateOffset(months=whole) + pd.Timedelta(days=days)
