"""The verb `derive`: participants, assessments, scores and analysis sets, without sight of the arm."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pipanalysis.derive.analysis_sets import analysis_sets
from pipanalysis.derive.scoring import Scored, score_instrument
from pipanalysis.derive.windows import assessments
from pipanalysis.files import read_parquet, write_csv, write_parquet
from pipanalysis.progress_bar import steps

if TYPE_CHECKING:
    from pipanalysis.study.instrument import Instrument
    from pipanalysis.study.load import Study


def derive(study: Study, *, progress: bool = False) -> str:
    """Read the checked tables; write participants, assessments, scores and the counts of each analysis set.

    Returns:
        What was done, in a line.

    Raises:
        ConfigError: the study has no analysis.
        DataError: a checked table is missing or damaged.
    """
    study.require_analysis()
    layout = study.layout
    participants = read_parquet(layout.checked_participants)
    visits = read_parquet(layout.checked_visits)
    participants = with_status(study, participants)
    scored = scores(study, visits, progress=progress)
    dated = assessments(study, participants, visits)
    participants, counts = analysis_sets(study, participants, dated, scored)
    write_parquet(layout.assessments, dated)
    write_parquet(layout.scores, scored)
    write_csv(layout.derive_counts, counts)
    write_parquet(layout.participants, participants)
    unit, n = study.config.study.unit, int(participants["randomised"].sum())
    return f"{len(participants)} {unit}s received, {n} randomised; {len(dated)} assessments, {len(scored)} scores"


def with_status(study: Study, participants: pd.DataFrame) -> pd.DataFrame:
    """Return the participants with `withdrawn`: whether they have a date of withdrawal."""
    withdrawal = study.variable_with_role("withdrawal_date")
    return participants.assign(withdrawn=participants[withdrawal.name].notna() if withdrawal else False)


def scores(study: Study, visits: pd.DataFrame, *, progress: bool = False) -> pd.DataFrame:
    """Return every score of every form: long, a row per unit, visit and score of the instruments given at the visit.

    Args:
        study: instruments and visits.
        visits: checked visits with the items as columns ``instrument_item``.
        progress: show a progress bar.

    Returns:
        Columns unit, visit, score, value, level, n_missing, prorated; sorted by unit, visit order, score order.
    """
    visit_order = {name: i for i, name in enumerate(study.visits)}
    score_order = {name: i for i, name in enumerate(study.scores)}
    unit_codes, units = pd.factorize(visits["unit"], sort=True)
    visit_codes = visits["visit"].map(visit_order).to_numpy(dtype=np.int64)
    pieces: list[dict[str, np.ndarray]] = []
    for instrument in steps(study.instruments.values(), "scoring", show=progress):
        given = visits["visit"].isin(study.instrument_visits(instrument.name)).to_numpy()
        forms = item_matrix(instrument, visits, given)
        if forms is None:
            continue
        for name, result in score_instrument(instrument, forms).items():
            pieces.append(
                _piece(result, unit_codes[given], visit_codes[given], score_order[f"{instrument.name}.{name}"])
            )
    if not pieces:
        return pd.DataFrame(columns=["unit", "visit", "score", "value", "level", "n_missing", "prorated"])
    table = {key: np.concatenate([piece[key] for piece in pieces]) for key in pieces[0]}
    order = np.lexsort((table["score"], table["visit"], table["unit"]))
    names = {"unit": pd.Index(units), "visit": pd.Index(list(visit_order)), "score": pd.Index(list(score_order))}
    coded = {key: pd.Categorical.from_codes(table[key][order], categories=names[key]) for key in names}
    plain = {key: table[key][order] for key in ("value", "n_missing", "prorated")}
    return pd.DataFrame(
        {**coded, "value": plain["value"], "level": pd.array(table["level"][order], dtype="str"), **plain}
    )


def item_matrix(instrument: Instrument, visits: pd.DataFrame, given: np.ndarray) -> np.ndarray | None:
    """Return the (forms, items) matrix of an instrument; None where no file holds any of its items."""
    columns = [instrument.item_variable(item) for item in instrument.item_names()]
    if not any(column in visits for column in columns):
        return None
    kind = np.dtype(object if instrument.items.type == "category" else np.float64)
    empty: np.ndarray = np.full(int(given.sum()), np.nan, dtype=kind)
    values = [visits[column].to_numpy(dtype=kind)[given] if column in visits else empty for column in columns]
    return np.stack(values, axis=1)


def _piece(result: Scored, units: np.ndarray, visits: np.ndarray, score: int) -> dict[str, np.ndarray]:
    level = result.level if result.level is not None else np.full(len(units), None, dtype=object)
    return {
        "unit": units,
        "visit": visits,
        "score": np.full(len(units), score, dtype=np.int64),
        "value": result.value,
        "level": level,
        "n_missing": result.n_missing.astype(np.int16),
        "prorated": result.prorated,
    }
