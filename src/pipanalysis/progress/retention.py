"""How many stay in the study, by time since they came into it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from pipanalysis.progress.data import ProgressData

DAYS_PER_MONTH = 30.4375


def retention(data: ProgressData) -> pd.DataFrame:
    """Return the Kaplan-Meier estimate of the share that has not withdrawn (scipy.stats.ecdf).

    A unit is followed until it withdraws, its last planned assessment, or the as-of date, whichever is first.

    Returns:
        Columns month (since enrolment; 0 first), share (0 to 1), at_risk and withdrawn: a row at each time with a
        withdrawal, and one at the longest time followed. Empty where nobody has been followed.
    """
    from scipy.stats import CensoredData, ecdf

    people = data.enrolled.dropna(subset=["enrolled_on"])
    columns = ["month", "share", "at_risk", "withdrawn"]
    if people.empty:
        return pd.DataFrame(columns=columns)
    left = people["withdrawn_on"].notna().to_numpy(dtype=bool)
    followed = (people["withdrawn_on"].fillna(data.as_of) - people["enrolled_on"]).dt.days.clip(lower=0).to_numpy()
    longest = round(max((visit.months for visit in data.study.visits.values()), default=0) * DAYS_PER_MONTH)
    if longest:
        left = left & (followed <= longest)
        followed = np.minimum(followed, longest)
    found = ecdf(CensoredData.right_censored(followed, ~left)).sf
    times, share = found.quantiles, found.probabilities
    ordered, gone = np.sort(followed), np.sort(followed[left])
    events = np.searchsorted(gone, times, side="right") - np.searchsorted(gone, times, side="left")
    at_risk = len(ordered) - np.searchsorted(ordered, times, side="left")
    keep = (events > 0) | (np.arange(len(times)) == len(times) - 1)
    columns_of = {"month": times / DAYS_PER_MONTH, "share": share, "at_risk": at_risk, "withdrawn": events}
    table = pd.DataFrame(columns_of).loc[keep]
    start = pd.DataFrame({"month": [0.0], "share": [1.0], "at_risk": [len(people)], "withdrawn": [0]})
    later = table[(table["month"] > 0) | (table["withdrawn"] > 0)]
    whole: pd.DataFrame = pd.concat([start, later], ignore_index=True)
    return whole


def withdrawal_reasons(data: ProgressData) -> dict[str, int]:
    """Return how many withdrew, by reason, most frequent first."""
    gone = data.enrolled[data.enrolled["withdrawn_on"].notna()]
    reasons = gone["withdrawn_reason"].replace("", "Reason not recorded").value_counts()
    return {str(why): int(n) for why, n in sorted(reasons.items(), key=lambda item: (-item[1], str(item[0])))}
