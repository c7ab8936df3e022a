"""The verb `simulate`: the raw files of a synthetic trial, its truth and the key of its planted faults."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from pipanalysis.errors import ConfigError, Problem
from pipanalysis.files import folder_aside, sha256, write_csv, write_json
from pipanalysis.progress_bar import steps
from pipanalysis.schedule import target_dates
from pipanalysis.simulate.events import event_tables, therapists
from pipanalysis.simulate.faults import Planted, plant
from pipanalysis.simulate.follow_up import lost_from, missing_items, visit_dates
from pipanalysis.simulate.guard import refuse_foreign_raw_files
from pipanalysis.simulate.items import items_of_score
from pipanalysis.simulate.sheets import sheet
from pipanalysis.simulate.traits import draw_traits, exact_moments
from pipanalysis.simulate.units import draw_codes, randomised_units
from pipanalysis.simulate.write import write_sheet
from pipanalysis.study.contrasts import contrast_name

if TYPE_CHECKING:
    from pipanalysis.study.load import Study
    from pipanalysis.study.simulation import Simulation


def simulate(
    study: Study, *, units: int | None = None, seed: int | None = None, clean: bool = False, progress: bool = False
) -> str:
    """Write the raw files of a synthetic trial.

    Args:
        study: the configuration, whose data are synthetic.
        units: units to randomise (default: the configuration's).
        seed: seed (default: the configuration's).
        clean: the same data without faults.
        progress: show a progress bar.

    Returns:
        What was done, in a line.

    Raises:
        ConfigError: the study's data are real, or data/raw holds files of another hand.
    """
    simulation = study.simulation
    if study.config.study.data != "synthetic" or simulation is None:
        raise ConfigError(Problem("config/study.yaml, study.data", study.config.study.data, "synthetic, to simulate"))
    refuse_foreign_raw_files(study)
    chosen = simulation.seed if seed is None else seed
    trial, faults = np.random.default_rng([chosen, 1]), np.random.default_rng([chosen, 2])
    people, visits, events = _trial(study, simulation, units or simulation.units, trial, progress=progress)
    planted = Planted()
    layout, allocation = study.layout, study.allocation
    paths = [*(file.path for file in study.config.files), allocation.path]
    with folder_aside(layout.raw, "simulate") as aside:
        for file in steps(study.config.files, "writing", show=progress):
            values = events[file.events.name] if file.events else _rows(people, visits, file.visit)
            page = sheet(study, file, values)
            if not clean:
                plant(study, simulation, page, people, faults, planted)
            write_sheet(page, aside / file.path)
        arms = people.loc[:, ["unit", "arm"]].set_axis([allocation.key, allocation.arm], axis=1)
        write_csv(aside / allocation.path, arms)
        # The sums go first, so that whatever a kill leaves behind is known to be ours.
        for path in paths:
            (layout.raw / path).unlink(missing_ok=True)
        sums = {path: sha256(aside / path) for path in paths}
        truth = _truth(study, simulation)
        write_json(layout.truth, {"seed": chosen, "units": len(people), "clean": clean, **truth, "files": sums})
        for path in paths:
            (layout.raw / path).parent.mkdir(parents=True, exist_ok=True)
            (aside / path).replace(layout.raw / path)
    key = planted.frame()
    write_csv(layout.faults, key)
    unit = study.config.study.unit
    return f"synthetic trial of {len(people)} {unit}s in {len(paths)} files, {len(key)} faults planted"


def _trial(
    study: Study, simulation: Simulation, n: int, generator: np.random.Generator, *, progress: bool
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, pd.DataFrame]]:
    """Draw the trial: a row per unit, a row per unit and visit with items, and the event tables."""
    people = randomised_units(study, simulation, n, generator)
    therapist = therapists(study, simulation, people)
    scores = draw_traits(study, simulation, people["arm"].to_numpy(dtype=object), therapist, generator)
    severity = [trait.score for trait in simulation.traits].index(simulation.attrition.severity)
    lost = lost_from(study, simulation, scores[:, 0, severity], generator)
    randomised = study.variable_with_role("randomisation_date")
    started = people[randomised.name] if randomised else pd.Series(pd.NaT, index=people.index)
    dates = visit_dates(study, simulation, started, generator)
    frames = []
    for position, visit in enumerate(steps(list(study.visits), "drawing", show=progress)):
        there = np.flatnonzero(lost > position)
        frames.append(
            _visit(
                study,
                simulation,
                visit,
                people.iloc[there],
                scores[there, position],
                dates[visit].iloc[there],
                generator,
            )
        )
    people = _withdrawals(study, simulation, people, lost, dates, generator)
    visits = pd.concat(frames, ignore_index=True)
    return people, visits, event_tables(study, simulation, people, visits, therapist, generator)


def _visit(
    study: Study,
    simulation: Simulation,
    visit: str,
    people: pd.DataFrame,
    scores: np.ndarray,
    dates: pd.Series,
    generator: np.random.Generator,
) -> pd.DataFrame:
    columns: dict[str, Any] = {"unit": people["unit"].to_numpy(), "visit": visit}
    dated = study.variable_with_role("visit_date")
    if dated:
        columns[dated.name] = dates.to_numpy()
    for characteristic in simulation.characteristics:
        if study.variables[characteristic.variable].level == "visit":
            columns[characteristic.variable] = draw_codes(characteristic.probabilities, len(people), generator)
    for instrument in study.instruments.values():
        if visit not in study.instrument_visits(instrument.name):
            continue
        values: dict[int | str, np.ndarray] = {}
        for t, trait in enumerate(simulation.traits):
            owner, _, name = trait.score.partition(".")
            if owner == instrument.name:
                values |= items_of_score(instrument, instrument.scores[name], scores[:, t], generator)
        for category in simulation.categories:
            if category.instrument == instrument.name:
                codes = np.full(len(people), None, dtype=object)
                for arm, probabilities in category.probabilities.items():
                    here = people["arm"].to_numpy() == arm
                    codes[here] = draw_codes(probabilities, int(here.sum()), generator)
                values[instrument.item_names()[0]] = codes
        absent = missing_items(instrument, len(people), simulation, generator)
        for j, item in enumerate(instrument.item_names()):
            if item in values:
                kind = object if instrument.items.type == "category" else float
                column = values[item].astype(kind)
                column[absent[:, j]] = None if kind is object else np.nan
                columns[instrument.item_variable(item)] = column
    return pd.DataFrame(columns)


def _withdrawals(
    study: Study,
    simulation: Simulation,
    people: pd.DataFrame,
    lost: np.ndarray,
    dates: pd.DataFrame,
    generator: np.random.Generator,
) -> pd.DataFrame:
    """Give some of those lost a date (between the last visit and the next one due) and a reason of withdrawal."""
    withdrawal, reason = study.variable_with_role("withdrawal_date"), study.variable_with_role("withdrawal_reason")
    randomised = study.variable_with_role("randomisation_date")
    if not (withdrawal and randomised):
        return people
    names = list(study.visits)
    gone = (lost < len(names)) & (generator.random(len(people)) < simulation.attrition.withdrawn)
    share = generator.random(len(people))
    when = pd.Series(pd.NaT, index=people.index, dtype="datetime64[ns]")
    for position in range(1, len(names)):
        here = gone & (lost == position)
        last = dates.loc[here, names[position - 1]].clip(lower=people.loc[here, randomised.name])
        due = target_dates(people.loc[here, randomised.name], study.visits[names[position]])
        days = ((due - last).dt.days * share[here]).clip(lower=1).round()
        when[here] = last + pd.to_timedelta(days, unit="D")
    people = people.assign(**{withdrawal.name: when})
    chances = {c.variable: c.probabilities for c in simulation.characteristics}
    if reason and reason.name in chances:
        codes = draw_codes(chances[reason.name], len(people), generator)
        codes[~gone] = None
        people = people.assign(**{reason.name: codes})
    return people


def _rows(people: pd.DataFrame, visits: pd.DataFrame, visit: str | None) -> pd.DataFrame:
    """Return what a file of participants (no visit) or of one visit holds."""
    if visit is None:
        return people
    return visits[visits["visit"] == visit].merge(people, on="unit", how="left", validate="one_to_one")


def _truth(study: Study, simulation: Simulation) -> dict[str, Any]:
    """Return the true mean and SD of each drawn score by arm and visit, and the differences between arms, exactly."""
    means: dict[str, Any] = {}
    effects: dict[str, Any] = {}
    for trait in simulation.traits:
        moments = {
            arm: {visit: exact_moments(study, trait, arm, visit) for visit in study.visits} for arm in study.arms
        }
        means[trait.score] = {
            arm: {visit: {"mean": mean, "sd": sd} for visit, (mean, sd) in by_visit.items()}
            for arm, by_visit in moments.items()
        }
        reference = moments[study.reference_arm.name]
        effects[trait.score] = {
            contrast_name(arm, study.reference_arm.name): {
                visit: moments[arm][visit][0] - reference[visit][0] for visit in study.visits
            }
            for arm in study.arms
            if arm != study.reference_arm.name
        }
    return {"scores": means, "effects": effects, "simulation": simulation.model_dump(mode="json", exclude_none=True)}
