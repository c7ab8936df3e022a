"""How complete the forms are, by instrument and visit, of the assessments that were done."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from pipanalysis.progress.data import ProgressData

COLUMNS = ["instrument", "visit", "done", "complete", "partial", "empty", "percent"]


def completeness(data: ProgressData) -> pd.DataFrame:
    """Return a row per instrument and visit at which it is given.

    Columns: `done` assessments, of which the form has every item answered (`complete`), some (`partial`) or none
    (`empty`); `percent` complete, missing where no assessment was done.
    """
    study, forms = data.study, data.forms
    kinds = forms.assign(
        complete=forms["answered"] == forms["items"],
        partial=(forms["answered"] > 0) & (forms["answered"] < forms["items"]),
        empty=forms["answered"] == 0,
    )
    counts = kinds.groupby(["instrument", "visit"])[["complete", "partial", "empty"]].sum()
    places = [(i.name, visit) for i in study.instruments.values() for visit in study.instrument_visits(i.name)]
    counts = counts.reindex(pd.MultiIndex.from_tuples(places, names=["instrument", "visit"]), fill_value=0).astype(int)
    done = counts.sum(axis=1)
    table = counts.assign(done=done, percent=100 * counts["complete"] / done.where(done > 0)).reset_index()
    return table[COLUMNS]
