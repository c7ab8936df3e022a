"""How well the scores measure, over all arms together: internal consistency, floor and ceiling, agreement of coders.

Nothing here reads the allocation: units are those of `derive`, before it is joined.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import nan
from typing import TYPE_CHECKING

import numpy as np

from pipanalysis.derive.scoring import reverse_items, score_instrument
from pipanalysis.derive.step import item_matrix
from pipanalysis.estimate.analysis_results import Row, Scope, as_results
from pipanalysis.estimate.planning import CATEGORICAL
from pipanalysis.estimate.reliability import Coefficient, cohens_kappa, cronbach_alpha, icc_agreement, mcdonald_omega
from pipanalysis.files import read_parquet
from pipanalysis.study.event_tables import double_coded
from pipanalysis.study.terms import counted

if TYPE_CHECKING:
    import pandas as pd

    from pipanalysis.estimate.trial_data import FloatArray
    from pipanalysis.study.instrument import Instrument, ItemName, Score
    from pipanalysis.study.load import Study
    from pipanalysis.study.plan import Analysis

CONSISTENCY = "internal_consistency"
FLOOR_CEILING = "floor_ceiling"
AGREEMENT = "coder_agreement"


@dataclass(frozen=True)
class Forms:
    """The forms of the trial, without sight of the arm.

    Attributes:
        study: the configuration.
        participants: unit and in_<analysis set>, a row per unit.
        visits: a row per unit and visit, items in columns ``instrument_item``.
        scores: long: unit, visit, score, value.
        second: instrument → its second codings: unit, visit and items, a row per form and coder.
    """

    study: Study
    participants: pd.DataFrame
    visits: pd.DataFrame
    scores: pd.DataFrame
    second: dict[str, pd.DataFrame]


def measurement_results(study: Study) -> pd.DataFrame:
    """Return the results of the plan's measurement analyses.

    Raises:
        DataError: a checked or derived table is missing or damaged.
    """
    analyses = study.family_analyses("measurement")
    if not analyses:
        return as_results([])
    forms = read_forms(study)
    return as_results(row for analysis in analyses for row in measurement_rows(forms, analysis))


def read_forms(study: Study) -> Forms:
    """Read the forms that `intake` and `derive` wrote.

    Raises:
        DataError: a table is missing or damaged.
    """
    layout = study.layout
    second = {name: read_parquet(layout.checked_events(table)) for name, table in double_coded(study).items()}
    scores = read_parquet(layout.scores, ["unit", "visit", "score", "value"])
    return Forms(study, read_parquet(layout.participants), read_parquet(layout.checked_visits), scores, second)


def measurement_rows(forms: Forms, analysis: Analysis) -> Iterator[Row]:
    """Yield the rows of a measurement analysis, for every score of every instrument at each of its visits."""
    study = forms.study
    people = forms.participants
    units = set(people.loc[people[f"in_{analysis.analysis_set}"].eq(True), "unit"])
    for instrument in study.instruments.values():
        visits = study.instrument_visits(instrument.name)
        given = [visit for visit in visits if analysis.visits == "all" or visit in analysis.visits]
        yield from _consistency(forms, analysis, instrument, units, given)
        yield from _floor_ceiling(forms, analysis, instrument, units, given)
        if instrument.name in forms.second:
            yield from _agreement(forms, analysis, instrument, units, given)


def _scope(study: Study, analysis: Analysis, instrument: Instrument, score: str, method: str) -> Scope:
    return Scope(analysis, f"{instrument.name}.{score}", "", study.plan.conf_level, method)


def summed_items(instrument: Instrument, name: str) -> list[ItemName]:
    """Return the items that a score is the sum or mean of, so that alpha is its internal consistency; none for others.

    A `sum_of` scores that are themselves sums is a sum of their items, unless an item is in two of them.
    """
    score = instrument.scores[name]
    if score.rule in ("sum", "mean"):
        return instrument.item_names() if score.items == "all" else list(score.items)
    parts = [summed_items(instrument, part) for part in score.scores] if score.rule == "sum_of" else []
    if not parts or not all(parts) or any(instrument.scores[part].rule == "mean" for part in score.scores):
        return []
    items = [item for part in parts for item in part]
    return items if len(items) == len(set(items)) else []


def _consistency(
    forms: Forms, analysis: Analysis, instrument: Instrument, units: set[str], visits: list[str]
) -> Iterator[Row]:
    """Yield alpha and omega of each score that is a sum or mean of items, over the forms without a missing item."""
    if instrument.items.type == "category":
        return
    scored = {name: summed_items(instrument, name) for name in instrument.scores}
    names = instrument.item_names()
    for visit in visits:
        chosen = (forms.visits["visit"].eq(visit) & forms.visits["unit"].isin(units)).to_numpy(dtype=bool)
        matrix = item_matrix(instrument, forms.visits, chosen)
        if matrix is None:
            continue
        values = reverse_items(instrument, np.asarray(matrix, dtype=np.float64))
        for score, items in scored.items():
            if len(items) < 2:
                continue
            own = values[:, [names.index(item) for item in items]]
            complete = own[~np.isnan(own).any(axis=1)]
            scope = _scope(forms.study, analysis, instrument, score, "cronbach-alpha feldt pingouin")
            yield scope.row("n_items", len(items), visit=visit, context=CONSISTENCY)
            yield scope.row("n_complete", len(complete), visit=visit, context=CONSISTENCY)
            found = cronbach_alpha(complete, scope.conf_level)
            yield from _coefficient(scope, "alpha", found, visit, CONSISTENCY)
            of_factor = replace(scope, method="mcdonald-omega one-factor minres")
            omega = mcdonald_omega(complete)
            yield of_factor.row("omega", omega.value, visit=visit, context=CONSISTENCY, error=omega.error)


def _floor_ceiling(
    forms: Forms, analysis: Analysis, instrument: Instrument, units: set[str], visits: list[str]
) -> Iterator[Row]:
    """Yield how many values of each score with a range are at its least and at its greatest possible value."""
    table = forms.scores[forms.scores["unit"].isin(units)]
    for name, score in instrument.scores.items():
        if score.range is None or score.type in CATEGORICAL:
            continue
        scope = _scope(forms.study, analysis, instrument, name, "floor-ceiling")
        own = table[table["score"] == f"{instrument.name}.{name}"]
        for visit in visits:
            values = own.loc[own["visit"] == visit, "value"].to_numpy(dtype=np.float64)
            values = values[~np.isnan(values)]
            yield scope.row("n", values.size, visit=visit, context=FLOOR_CEILING)
            for at, limit in (("floor", score.range.min), ("ceiling", score.range.max)):
                count = n_at(values, limit, score)
                percent = 100 * count / values.size if values.size else nan
                yield scope.row(f"n_{at}", count, visit=visit, context=FLOOR_CEILING)
                yield scope.row(f"percent_{at}", percent, visit=visit, context=FLOOR_CEILING)


def n_at(values: FloatArray, limit: float, score: Score) -> int:
    """Return how many values are at a limit of the score's range, but for rounding (prorated sums are not exact)."""
    width = score.range.max - score.range.min if score.range else 1.0
    return int(np.isclose(values, limit, rtol=0, atol=1e-9 * width).sum())


def _agreement(
    forms: Forms, analysis: Analysis, instrument: Instrument, units: set[str], visits: list[str]
) -> Iterator[Row]:
    """Yield the agreement of first and second coding, at each visit and at all visits together.

    A form that was coded more than twice counts with its first two codings, as the table has them: a third would
    otherwise be averaged or counted as another form.
    """
    second = forms.second[instrument.name]
    second = second[second["unit"].isin(units) & second["visit"].isin(visits)]
    pairs, repeated = paired_codings(instrument, second, forms.visits)
    said = []
    if repeated:
        said.append(f"not used: {counted(repeated, 'further coding')} of forms that were coded more than twice")
    for name, pair in pairs.items():
        for visit in ("", *visits):
            chosen = pair if not visit else pair[pair["visit"] == visit]
            n_units = chosen["unit"].nunique()
            more = f"forms taken as independent: {len(chosen)} of {forms.study.terms.counted(n_units)}"
            notes = "; ".join([*said, more] if len(chosen) > n_units else said)
            yield from _pairs(forms.study, analysis, instrument, name, chosen, visit, notes)


def paired_codings(
    instrument: Instrument, second: pd.DataFrame, visits: pd.DataFrame
) -> tuple[dict[str, pd.DataFrame], int]:
    """Return the scores of forms by both coders, and how many further codings of the same forms were not used.

    Args:
        instrument: whose items were rated.
        second: second codings: unit, visit and items.
        visits: first codings: a row per unit and visit.

    Returns:
        Score → unit, visit, `a` (first coding) and `b` (second), of the forms where both have the score.
    """
    import pandas as pd

    columns = [c for c in map(instrument.item_variable, instrument.item_names()) if c in second]
    second = second[second[columns].notna().any(axis=1)]
    repeated = second.duplicated(["unit", "visit"])
    second = second[~repeated]
    first = second[["unit", "visit"]].merge(visits, on=["unit", "visit"], how="left", validate="one_to_one")
    codings = [_scored(instrument, table) for table in (first, second.reset_index(drop=True))]
    if codings[0] is None or codings[1] is None:
        return {}, int(repeated.sum())
    pairs = {
        name: pd.DataFrame(
            {"unit": first["unit"], "visit": first["visit"], "a": codings[0][name], "b": codings[1][name]}
        ).dropna(subset=["a", "b"])
        for name in instrument.scores
    }
    return pairs, int(repeated.sum())


def _scored(instrument: Instrument, table: pd.DataFrame) -> dict[str, FloatArray] | None:
    matrix = item_matrix(instrument, table, np.ones(len(table), dtype=bool))
    return None if matrix is None else {n: s.value for n, s in score_instrument(instrument, matrix).items()}


def _pairs(
    study: Study, analysis: Analysis, instrument: Instrument, name: str, pair: pd.DataFrame, visit: str, said: str
) -> Iterator[Row]:
    """Yield the agreement of paired codings: kappa of a category, intraclass correlation of any other score."""
    a, b = (pair[column].to_numpy(dtype=np.float64) for column in ("a", "b"))
    if instrument.scores[name].type in CATEGORICAL:
        scope = _scope(study, analysis, instrument, name, "cohen-kappa statsmodels")
        levels = np.unique(np.concatenate([a, b])).tolist()
        found, stat_name = cohens_kappa(a.astype(object), b.astype(object), levels, scope.conf_level), "kappa"
    else:
        scope = _scope(study, analysis, instrument, name, "icc-a1 mcgraw-wong")
        found, stat_name = icc_agreement(np.column_stack([a, b]), scope.conf_level), "icc_agreement"
    where = {"visit": visit, "context": AGREEMENT, "warning": said}
    yield scope.row("n_pairs", len(pair), **where)
    yield scope.row("percent_agreement", 100 * float((a == b).mean()) if len(pair) else nan, **where)
    yield from _coefficient(scope, stat_name, found, visit, AGREEMENT, said)


def _coefficient(
    scope: Scope, stat_name: str, found: Coefficient, visit: str, context: str, said: str = ""
) -> Iterator[Row]:
    for name, value in ((stat_name, found.value), ("conf_low", found.low), ("conf_high", found.high)):
        yield scope.row(name, value, visit=visit, context=context, warning=said, error=found.error)
