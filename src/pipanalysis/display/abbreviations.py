"""A note that says what the abbreviations of a table or figure stand for: those of statistics, and the study's own."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipanalysis.display.figure_model import FigureModel
    from pipanalysis.display.table_model import TableModel
    from pipanalysis.study.load import Study

STATISTICAL = {
    "AIC": "Akaike's information criterion",
    "ANCOVA": "analysis of covariance",
    "BFMI": "Bayesian fraction of missing information",
    "CI": "confidence interval",
    "CR2": "cluster-robust covariance with bias-reduced linearisation",
    "ESS": "effective sample size",
    "GEE": "generalised estimating equations",
    "HC3": "heteroscedasticity-consistent covariance, third form",
    "ICC": "intraclass correlation coefficient",
    "MCID": "minimal clinically important difference",
    "ML": "maximum likelihood",
    "MMRM": "mixed model for repeated measures",
    "REML": "restricted maximum likelihood",
    "SD": "standard deviation",
    "SE": "standard error",
    "cLDA": "constrained longitudinal data analysis",
}
WORD = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:-[A-Za-z0-9]+)*")
CAPITALS = re.compile(r"[A-Z]{2}")


def add_to_table(study: Study, model: TableModel) -> None:
    """Add the note on the abbreviations of a table, its last; none where it has none."""
    rows = [row for group in model.groups for row in group.rows]
    said = [model.title, *model.lead, *(group.label for group in model.groups), *(row.label for row in rows)]
    said += [text for column in model.columns for text in (column.label, column.spanner)]
    said += [cell for row in rows for cell in row.cells]
    note = _note(study, [*said, *model.notes, *model.footnotes])
    model.notes += [note] if note and not model.empty else []


def add_to_figure(study: Study, model: FigureModel) -> None:
    """Add the note on the abbreviations of a figure, those in the labels of its outcomes included."""
    drawn = {str(record["outcome"]) for record in model.records if "outcome" in record}
    labels = [outcome.label for outcome in study.plan.outcomes if outcome.name in drawn]
    note = _note(study, [model.title, model.alternative, *labels, *model.notes])
    model.notes += [note] if note and not model.empty else []


def _note(study: Study, texts: Iterable[str]) -> str:
    """Return what the abbreviations in some texts stand for, but for those that the texts explain themselves."""
    whole = "\n".join(texts)
    names = {arm.name: arm.label for arm in study.arms.values()}
    names |= {name: instrument.label for name, instrument in study.instruments.items()}
    own = {name.replace("_", ""): label for name, label in names.items()}
    found: dict[str, str] = {}
    for word in dict.fromkeys(WORD.findall(whole)):
        meaning = (STATISTICAL.get(word) or _of_the_study(word, own)) if CAPITALS.search(word) else ""
        if meaning and not re.search(rf"(?:^|[.;] ){word}: ", whole, re.MULTILINE):
            found[word] = meaning
    listed = "; ".join(f"{word}, {found[word]}" for word in sorted(found, key=str.lower))
    return f"Abbreviations: {listed}." if listed else ""


def _of_the_study(word: str, own: dict[str, str]) -> str:
    """Return the label of the arm or instrument whose name a word spells, as PSI-SF or, with its edition, BDI-II."""
    parts = word.lower().split("-")
    for n in range(len(parts), 0, -1):
        label = own.get("".join(parts[:n]), "")
        if label and label.lower() != word.lower():
            return label
    return ""
