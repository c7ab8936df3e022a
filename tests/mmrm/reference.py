"""The reference data and answers of R mmrm 0.3.18 with emmeans 1.8.4.1, and fits of the same models."""

import json
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from pipanalysis.mmrm import MMRM, MMRMFit

FOLDER = Path(__file__).resolve().parents[2].parent / "shared" / "reference"
AVAILABLE = (FOLDER / "README.md").is_file()

# R mmrm's names of methods; its "Kenward-Roger" differentiates by its own parameters (shared/reference/README.md).
DF = {
    "Satterthwaite": "satterthwaite",
    "Kenward-Roger": "kenward-roger-mmrm",
    "Kenward-Roger-Linear": "kenward-roger-linear",
    "Between-Within": "between-within",
    "Residual": "residual",
}
VCOV = {
    "Empirical": "empirical",
    "Empirical-Jackknife": "empirical-jackknife",
    "Empirical-Bias-Reduced": "empirical-bias-reduced",
}
MEANS = {  # marginal means of the factor by the visit
    "mmrm_fev": ("ARMCD", "AVISIT"),
    "mmrm_orthodont": ("Sex", "agef"),
    "mmrm_btheb": ("treatment", "month"),
}
SUBJECT = {"mmrm_fev": "USUBJID", "mmrm_orthodont": "Subject", "mmrm_btheb": "subject"}


@lru_cache
def results(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((FOLDER / "results" / f"{name}.json").read_text())
    return loaded


@lru_cache
def data(name: str) -> pd.DataFrame:
    """The data with the levels that the reference used (the first one is the reference level)."""
    if name == "mmrm_fev":
        fev = pd.read_csv(FOLDER / "data" / "fev_data.csv")
        return fev.assign(SEX=pd.Categorical(fev["SEX"], ["Male", "Female"]))
    if name == "mmrm_orthodont":
        growth = pd.read_csv(FOLDER / "data" / "Orthodont.csv")
        return growth.assign(Sex=pd.Categorical(growth["Sex"], ["Male", "Female"]), agef=growth["age"])
    beat = pd.read_csv(FOLDER / "data" / "BtheB_long.csv")
    return beat.assign(treatment=pd.Categorical(beat["treatment"], ["TAU", "BtheB"]))


def models() -> list[tuple[str, str]]:
    """Every model of the reference files: file and key."""
    if not AVAILABLE:
        return []
    return [(name, key) for name in MEANS for key in results(name)["models"]]


@lru_cache
def fit(name: str, key: str) -> MMRMFit:
    """Fit the model of a reference entry, read from its R formula `fixed + structure(visit | group/subject)`."""
    entry = results(name)["models"][key]
    match = re.fullmatch(r"(.*) \+ (\w+)\(([^|]*) \| (?:(\w+)/)?(\w+)\)", entry["formula"])
    assert match is not None
    formula, structure, index, group, subject = match.groups()
    coords = tuple(index.split(", ")) if structure.startswith("sp_") else ()
    return MMRM(
        formula,
        data(name),
        subject=subject,
        visit=MEANS[name][1],
        covariance=structure,
        group=group,
        weights="WEIGHT" if entry["weighted"] else None,
        coords=coords,
        reml=entry["reml"],
    ).fit()
