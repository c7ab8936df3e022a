"""Event tables of the synthetic trial: screening log, sessions, adverse events, second coders' ratings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pipanalysis.simulate.units import draw_codes

if TYPE_CHECKING:
    from pipanalysis.study.load import Study
    from pipanalysis.study.simulation import (
        SecondCoding,
        SimulatedEvents,
        SimulatedScreening,
        SimulatedSessions,
        Simulation,
    )
    from pipanalysis.study.study import Sessions


def therapists(study: Study, simulation: Simulation, units: pd.DataFrame) -> np.ndarray:
    """Return the therapist of each unit, dealt in turn within the arm that is offered sessions; -1 elsewhere."""
    chosen = np.full(len(units), -1)
    if simulation.sessions and study.config.sessions:
        offered = np.flatnonzero(units["arm"] == study.config.sessions.arm)
        chosen[offered] = np.arange(len(offered)) % simulation.sessions.therapists
    return chosen


def event_tables(
    study: Study,
    simulation: Simulation,
    units: pd.DataFrame,
    visits: pd.DataFrame,
    therapist: np.ndarray,
    generator: np.random.Generator,
) -> dict[str, pd.DataFrame]:
    """Return every event table by name, with `unit`, (`visit`) and its variables as they are before writing."""
    tables: dict[str, pd.DataFrame] = {}
    if simulation.screening:
        tables[simulation.screening.table] = _screening(study, simulation.screening, units, generator)
    if simulation.sessions and study.config.sessions:
        tables[study.config.sessions.table] = _sessions(
            study, simulation.sessions, study.config.sessions, units, therapist, generator
        )
    for events in simulation.events:
        tables[events.table] = _events(study, events, units, generator)
    if simulation.second_coding:
        tables[simulation.second_coding.table] = _second_coding(study, simulation.second_coding, visits, generator)
    return tables


def _randomised_on(study: Study, units: pd.DataFrame) -> pd.Series:
    variable = study.variable_with_role("randomisation_date")
    return units[variable.name] if variable else pd.Series(pd.NaT, index=units.index)


def _screening(
    study: Study, plan: SimulatedScreening, units: pd.DataFrame, generator: np.random.Generator
) -> pd.DataFrame:
    others = round((plan.screened_per_randomised - 1) * len(units))
    start = _randomised_on(study, units)
    site = study.variable_with_role("site")
    first = {
        v.name: v for f in study.config.files if f.events and f.events.name == plan.table for v in f.events.variables
    }
    earliest = first[plan.date].dates
    days = pd.to_timedelta(generator.integers(22, 45, size=len(units)), unit="D")
    randomised = pd.DataFrame(
        {"unit": units["unit"], plan.date: start - days, plan.eligible_variable: "1", plan.consented_variable: "1"}
    )
    span = (start.max() - start.min()).days
    eligible = generator.random(others) < plan.eligible
    rest = pd.DataFrame(
        {
            "unit": None,
            plan.date: start.min() + pd.to_timedelta(generator.integers(span + 1, size=others), unit="D"),
            plan.eligible_variable: np.where(eligible, "1", "0"),
            plan.consented_variable: _only(eligible, np.full(others, "0", dtype=object)),
            plan.reason_not_eligible: _only(
                ~eligible, _any_level(first[plan.reason_not_eligible].levels, others, generator)
            ),
            plan.reason_declined: _only(eligible, _any_level(first[plan.reason_declined].levels, others, generator)),
        }
    )
    if site:
        randomised[site.name] = units[site.name]
        names = [s.name for s in study.config.sites]
        rest[site.name] = np.array(names, dtype=object)[generator.integers(len(names), size=others)]
    table = pd.concat([randomised, rest], ignore_index=True)
    if earliest:
        table[plan.date] = table[plan.date].where(
            table[plan.date] >= pd.Timestamp(earliest[0]), pd.Timestamp(earliest[0])
        )
    table = table.sort_values(plan.date, kind="stable", ignore_index=True)
    width = len(str(len(table)))
    table.insert(0, plan.number, [f"S{i:0{width}d}" for i in range(1, len(table) + 1)])
    return table


def _only(where: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the values where the mask holds, and nothing elsewhere."""
    chosen = values.astype(object)
    chosen[~where] = None
    return chosen


def _second_codes(
    first: pd.Series, codes: list[str], disagreement: float, generator: np.random.Generator
) -> np.ndarray:
    """Return a category as the second coder has it: with the given probability another code, each as likely."""
    known = first.notna().to_numpy()
    position = np.array([codes.index(code) if given else 0 for code, given in zip(first, known, strict=True)])
    away = np.where(generator.random(len(first)) < disagreement, generator.integers(1, len(codes), len(first)), 0)
    return _only(known, np.array(codes, dtype=object)[(position + away) % len(codes)])


def _any_level(levels: dict[str, str], n: int, generator: np.random.Generator) -> np.ndarray:
    return draw_codes(dict.fromkeys(levels, 1.0), n, generator)


def _sessions(
    study: Study,
    plan: SimulatedSessions,
    declared: Sessions,
    units: pd.DataFrame,
    therapist: np.ndarray,
    generator: np.random.Generator,
) -> pd.DataFrame:
    seen = np.flatnonzero(therapist >= 0)
    offered = generator.integers(plan.offered[0], plan.offered[1] + 1, size=len(seen))
    share = generator.beta(6 * plan.attended, 6 * (1 - plan.attended), size=len(seen))
    who = np.repeat(seen, offered)
    number = np.concatenate([np.arange(n) for n in offered]) if len(seen) else np.array([], dtype=np.int64)
    first = _randomised_on(study, units).iloc[who].reset_index(drop=True) + pd.Timedelta(days=14)
    attended = generator.random(len(who)) < np.repeat(share, offered)
    return pd.DataFrame(
        {
            "unit": units["unit"].to_numpy()[who],
            plan.date: first + pd.to_timedelta(7 * number, unit="D"),
            plan.therapist: [f"T{i + 1:02d}" for i in therapist[who]],
            declared.attended: np.where(attended, "1", "0"),
        }
    )


def _events(study: Study, plan: SimulatedEvents, units: pd.DataFrame, generator: np.random.Generator) -> pd.DataFrame:
    rate = np.full(len(units), plan.per_unit)
    if plan.dispersion:
        rate *= generator.gamma(1 / plan.dispersion, plan.dispersion, size=len(units))
    who = np.repeat(np.arange(len(units)), generator.poisson(rate))
    days = pd.to_timedelta(generator.integers(plan.days[0], plan.days[1] + 1, size=len(who)), unit="D")
    start = _randomised_on(study, units).iloc[who].reset_index(drop=True)
    table = pd.DataFrame({"unit": units["unit"].to_numpy()[who], plan.date: start + days})
    for name, probabilities in plan.probabilities.items():
        table[name] = draw_codes(probabilities, len(who), generator)
    keys = next(f.events.unique for f in study.config.files if f.events and f.events.name == plan.table)
    table = table.drop_duplicates([key for key in keys if key in table] or None)
    return table.sort_values(["unit", plan.date], kind="stable", ignore_index=True)


def _second_coding(
    study: Study, plan: SecondCoding, visits: pd.DataFrame, generator: np.random.Generator
) -> pd.DataFrame:
    chosen = visits[generator.random(len(visits)) < plan.share].reset_index(drop=True)
    table = chosen[["unit", "visit"]].copy()
    file = next(f for f in study.config.files if f.events and f.events.name == plan.table)
    coders = next(v for v in file.events.variables if v.name == plan.coder) if file.events else None
    table[plan.coder] = _any_level(coders.levels if coders else {}, len(table), generator)
    for given in file.instruments:
        instrument = study.instruments[given.instrument]
        step = instrument.items.step or 1.0
        for item in instrument.item_names():
            limits, name = instrument.item_range(item), instrument.item_variable(item)
            if instrument.items.type == "category" and name in chosen:
                table[name] = _second_codes(chosen[name], list(instrument.items.levels), plan.disagreement, generator)
            if limits is None or name not in chosen:
                continue
            away = np.where(generator.random(len(table)) < 0.5, step, -step)
            moved = chosen[name] + np.where(generator.random(len(table)) < plan.disagreement, away, 0.0)
            table[name] = moved.clip(limits.min, limits.max)
    return table
