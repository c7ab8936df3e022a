"""Real trials as the estimate step meets them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from estimate import trials
from pipanalysis.estimate.trial_data import TrialData

YES_NO = {"0": "No", "1": "Yes"}


@pytest.fixture(scope="session")
def acupuncture(shared: Path) -> Callable[..., TrialData]:
    """Vickers et al. 2004 (BMJ 328:744), arms as in the file: 1 usual care, 2 acupuncture."""
    file = pd.read_csv(
        shared / "reference" / "data" / "acupuncture.csv", dtype={"sex": str, "migraine": str, "practice_id": str}
    )
    people = file.drop_duplicates("id").rename(columns={"id": "unit"})
    people["arm"] = people["treat"].map({1: "control", 2: "treated"})
    after = file.assign(visit=file["time"].map({3: "month3", 12: "month12"})).rename(columns={"head": "value"})
    before = file.drop_duplicates("id").assign(visit="baseline").rename(columns={"head_base": "value"})
    long = pd.concat([before, after]).rename(columns={"id": "unit"})[["unit", "visit", "value"]].dropna()
    variables = [
        {"name": "age", "label": "Age", "type": "number"},
        {"name": "sex", "label": "Sex", "type": "category", "levels": {"0": "Male", "1": "Female"}},
        {"name": "migraine", "label": "Migraine", "type": "category", "levels": YES_NO},
        {"name": "chronicity", "label": "Years", "type": "number"},
        {"name": "practice_id", "label": "Practice", "type": "text"},
    ]

    def make(*analyses: dict[str, Any], **options: Any) -> TrialData:
        visits = {"baseline": 0, "month3": 3, "month12": 12}
        configuration = trials.study(list(analyses), visits=visits, variables=variables, **options)
        return trials.trial(configuration, people, long)

    return make


@pytest.fixture(scope="session")
def beat_the_blues(shared: Path) -> Callable[..., TrialData]:
    """Proudfoot et al. 2003, as R's HSAUR3 distributes it; drug and length of episode as stratification factors."""
    wide = pd.read_csv(shared / "reference" / "data" / "BtheB_wide.csv").rename(columns={"subject": "unit"})
    people = wide.assign(
        arm=wide["treatment"].map({"TAU": "control", "BtheB": "treated"}),
        drug=wide["drug"],
        episode=wide["length"].map({"<6m": "short", ">6m": "long"}),
        stratum=wide["drug"] + wide["length"],
        fives=((wide["unit"] - 1) // 5).astype(str),
    )
    names = {"bdi.pre": "baseline", "bdi.2m": "month2", "bdi.3m": "month3", "bdi.5m": "month5", "bdi.8m": "month8"}
    long = wide.melt("unit", list(names), "visit").dropna()
    long["visit"] = long["visit"].map(names)
    variables = [
        {"name": "drug", "label": "Drugs", "type": "category", "levels": {"No": "No", "Yes": "Yes"}},
        {"name": "episode", "label": "Episode", "type": "category", "levels": {"short": "Short", "long": "Long"}},
        {
            "name": "stratum",
            "label": "Stratum",
            "type": "category",
            "levels": {level: level for level in ("No<6m", "No>6m", "Yes<6m", "Yes>6m")},
        },
        {"name": "fives", "label": "Five in turn", "type": "text"},
    ]

    def make(*analyses: dict[str, Any], **options: Any) -> TrialData:
        visits = {"baseline": 0, "month2": 2, "month3": 3, "month5": 5, "month8": 8}
        configuration = trials.study(
            list(analyses), visits=visits, variables=variables, strata=["drug", "episode"], **options
        )
        return trials.trial(configuration, people, long)

    return make
