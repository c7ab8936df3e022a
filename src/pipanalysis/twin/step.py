"""The verb `twin`: a study folder of made-up data in the shape of confidential ones, and a record of how near it is."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import yaml

from pipanalysis.errors import ConfigError, DataError, DisclosureError, Problem
from pipanalysis.files import folder_aside, write_csv, write_json, write_text
from pipanalysis.simulate.write import WRITTEN, write_sheet
from pipanalysis.study.plan import USUAL_IN_A_COURSE
from pipanalysis.twin.copies import nearest_distances, without_copies
from pipanalysis.twin.events import draw_events
from pipanalysis.twin.fidelity import fidelity
from pipanalysis.twin.identifiers import new_identifiers
from pipanalysis.twin.model import PRESENCE, UnitModel, fit_units
from pipanalysis.twin.sheets import event_sheet, unit_sheet
from pipanalysis.twin.source import Source, read_source

if TYPE_CHECKING:
    from pipanalysis.study.load import Study
    from pipanalysis.study.yaml_file import Location

RECORD = "twin.json"
MIN_CELL = 5
_NOT_COPIED = ("lock.json", "simulation.yaml")
METHOD = (
    "Gaussian copula over everything known of a unit. Margins by arm: shares of values that at least min_cell units "
    "have, or quantiles through means of min_cell neighbouring values. Correlations within arms, shrunk to their block "
    "means. Which visits are there as whole patterns; forms and items missing at random within them."
)
_README = """# {title}: SYNTHETIC TWIN

Every person in this folder is made up. The data have the shape of a confidential data set and were drawn from a model
of it; nothing here is a finding, and no row is a real person's. `twin.json` says how they were made and how near they
are. Run it as any study: `make results STUDY=` this folder.
"""


def twin(study: Study, out: Path, *, seed: int | None = None, min_cell: int | None = None) -> str:
    """Write a synthetic study folder of the shape of a confidential one.

    Args:
        study: the configuration; its raw files are there.
        out: folder to write, which is not there or empty.
        seed: seed (default: the study's).
        min_cell: least number of units behind anything that is shown (default: displays.yaml's, at least 5).

    Returns:
        What was done, in a line.

    Raises:
        ConfigError: the folder is the study's own, or holds something; the study is masked.
        PlanError: the plan of real data is not locked.
        DataError: a raw file cannot be used, or not written in its format.
        DisclosureError: an arm has fewer units than the least cell; made-up units remain copies of real ones.
    """
    _refuse_place(study, out)
    _refuse_formats(study)
    chosen = study.config.study.seed if seed is None else seed
    least = max(study.displays.disclosure.min_cell, MIN_CELL) if min_cell is None else min_cell
    generator = np.random.default_rng([chosen, 3])
    source, left_out = _large_enough_arms(read_source(study), least)
    model = fit_units(source, least)
    units = model.draw(source.arms, generator)
    check = without_copies(model, units, least, generator)
    _withdraw_after_last_visit(study, source, units.values)
    keys = {key for one in source.files.values() for key in one.keys} | set(source.units)
    names = new_identifiers(keys, len(source.units), generator)
    with folder_aside(out.parent, out.name) as aside:
        _copy_config(study, aside)
        events: dict[str, dict[str, int]] = {}
        for name, one in source.files.items():
            if one.file.events is not None:
                rows = draw_events(model, one, units, least, generator)
                page = event_sheet(study, one, rows, names, generator)
                events[name] = {"rows": len(page.cells), "redrawn": rows.copied, "left_out": rows.left_out}
            else:
                page = unit_sheet(study, source, one, units, names, generator)
            write_sheet(page, aside / "data" / "raw" / one.file.path)
        if study.analysed:
            allocation = study.allocation
            arms = [(n, source.arm_texts[a]) for n, a in zip(names, source.arms, strict=True) if a]
            frame = pd.DataFrame(arms, columns=[allocation.key, allocation.arm])
            _write_allocation(study, aside / "data" / "raw" / allocation.path, frame)
        record = {
            "data": "twin",
            "study": study.config.study.id,
            "seed": chosen,
            "min_cell": least,
            "method": METHOD,
            "units": len(names),
            "difference_in_standard_errors": fidelity(source, units, least),
            "copies": {
                "rows_compared": check.rows,
                "units_redrawn": check.redrawn,
                "rows_equal_to_a_real_one": 0,
                "events": events,
                "nearest_distance": nearest_distances(source, units),
            },
            "merged_by_min_cell": _merged(model, left_out),
            "shrinkage_of_correlations": round(model.shrinkage, 4),
        }
        write_json(aside / RECORD, record)
        write_text(aside / "README.md", _README.format(title=study.config.study.title))
        if out.is_dir():
            out.rmdir()
        aside.rename(out)
    unit = study.config.study.unit
    return f"{len(names)} made-up {unit}s in {len(source.files)} files, none a real row; how near: {out / RECORD}"


def _refuse_place(study: Study, out: Path) -> None:
    root, place = study.layout.root.resolve(), out.resolve()
    inside = [study.layout.config, study.layout.root / "data", study.layout.results]
    if place == root or any(place.is_relative_to(p.resolve()) for p in inside) or root.is_relative_to(place):
        raise ConfigError(Problem("--out", f"{out}, which is part of the study itself", "a folder of its own"))
    if out.is_symlink() or out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise ConfigError(Problem("--out", f"{out}, which is there already", "a folder that is not there, or is empty"))


def _refuse_formats(study: Study) -> None:
    problems = []
    for file in study.config.files:
        ending = file.format or file.path.rpartition(".")[2].lower()
        if {"txt": "csv", "tsv": "csv", "xlsm": "xlsx", "zsav": "sav"}.get(ending, ending) not in WRITTEN:
            allowed = f"one of: {', '.join(WRITTEN)}"
            problems.append(Problem(f"data/raw/{file.path}", f"{ending}, which cannot be written", allowed))
    if problems:
        raise DataError(problems)


def _large_enough_arms(source: Source, least: int) -> tuple[Source, int]:
    """Return the source without units that have no arm, where there are too few of them.

    Raises:
        DisclosureError: a randomised arm has too few units.
    """
    arms, counts = np.unique(source.arms, return_counts=True)
    if small := [(a, n) for a, n in zip(arms.tolist(), counts.tolist(), strict=True) if a and n < 2 * least]:
        raise DisclosureError(
            [Problem(f"arm {a!r}", f"{n} units", f"at least {2 * least}, twice the least cell") for a, n in small]
        )
    drop = (source.arms == "") & (int((source.arms == "").sum()) < 2 * least)
    if not drop.any():
        if len(source.units) < 2 * least:
            raise DisclosureError(Problem("data/raw", f"{len(source.units)} units", f"at least {2 * least}"))
        return source, 0
    keep = ~drop
    source.units = [unit for unit, kept in zip(source.units, keep, strict=True) if kept]
    source.arms, source.anchor = source.arms[keep], source.anchor[keep]
    source.blocks = {block: there[keep] for block, there in source.blocks.items()}
    for variable in source.variables:
        variable.values = variable.values[keep]
    return source, int(drop.sum())


def _withdraw_after_last_visit(study: Study, source: Source, values: np.ndarray) -> None:
    """Move a withdrawal that would come before a visit made to the day after it."""
    withdrawal, visit = study.variable_with_role("withdrawal_date"), study.variable_with_role("visit_date")
    if not (withdrawal and visit):
        return
    names = [v.raw.column.name for v in source.variables]
    dated = [j for j, name in enumerate(names) if name == visit.name]
    for j, name in enumerate(names):
        if name == withdrawal.name and dated:
            last = np.fmax.reduce(values[:, dated], axis=1)
            values[:, j] = np.where(values[:, j] <= last, last + 1, values[:, j])


def _copy_config(study: Study, aside: Path) -> None:
    """Copy the configuration, with `data: twin`; a lock is of the real study, and a simulation not of this one.

    A twin's data are not published. Courses of single units, which only synthetic and published data may have, become
    ones of groups.
    """
    for path in sorted(study.layout.config.rglob("*")):
        name = path.relative_to(study.layout.config)
        if path.suffix in (".yaml", ".json") and name.as_posix() not in _NOT_COPIED:
            (aside / "config" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, aside / "config" / name)
    _replace(aside / "config" / "study.yaml", ("study", "data"), "twin")
    if study.config.study.published is not None:
        remove_key(aside / "config" / "study.yaml", ("study", "published"))
    for i, analysis in enumerate(study.plan.analyses):
        if analysis.courses == "single":
            _replace(aside / "config" / "analysis.yaml", ("analyses", i, "courses"), str(USUAL_IN_A_COURSE))
    for file in study.config.files:
        if file.redcap_dictionary:
            to = aside / "data" / "raw" / file.redcap_dictionary
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(study.layout.raw / file.redcap_dictionary, to)


def _replace(path: Path, location: Location, value: str) -> None:
    """Replace a scalar of a YAML file, and nothing else of its text."""
    text = path.read_text(encoding="utf-8")
    node = _node(text, location)
    write_text(path, text[: node.start_mark.index] + value + text[node.end_mark.index :])


def remove_key(path: Path, location: Location) -> None:
    """Remove a key and its scalar from a mapping of a YAML file, which has other keys: its line, or up to the next."""
    text = path.read_text(encoding="utf-8")
    mapping = _node(text, location[:-1])
    at = next(i for i, (key, _) in enumerate(mapping.value) if key.value == location[-1])
    start, end = mapping.value[at][0].start_mark.index, mapping.value[at][1].end_mark.index
    if not mapping.flow_style:
        start, end = text.rfind("\n", 0, start) + 1, text.find("\n", end) + 1 or len(text)
    elif at + 1 < len(mapping.value):
        end = mapping.value[at + 1][0].start_mark.index
    else:
        start = mapping.value[at - 1][1].end_mark.index
    write_text(path, text[:start] + text[end:])


def _node(text: str, location: Location) -> Any:
    """Return the node at a location of a YAML text."""
    node: Any = yaml.compose(text, Loader=yaml.SafeLoader)
    for key in location:
        node = node.value[key] if isinstance(key, int) else next(v for name, v in node.value if name.value == key)
    return node


def _write_allocation(study: Study, path: Path, frame: pd.DataFrame) -> None:
    spec = study.allocation
    if not (spec.delimiter or spec.encoding):
        write_csv(path, frame)
        return
    text = frame.to_csv(index=False, lineterminator="\n", sep=spec.delimiter or ",")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(spec.encoding or "utf-8"))


def _merged(model: UnitModel, left_out: int) -> dict[str, Any]:
    """Return counts of what was put together, of variables only: how many units each concerns is not said."""
    named = [v.name for v, held in zip(model.source.variables, model.missingness.withheld, strict=True) if held]
    return {
        "units_left_out_without_arm": left_out,
        "rows_without_a_place": model.source.rows_without_place,
        PRESENCE: {"kept": len(model.missingness.patterns), "units_put_to_another": model.missingness.merged},
        "variables_with_rare_codes_merged": model.rare,
        "variables_left_empty": named,
    }
