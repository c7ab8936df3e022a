"""Whether results give away a participant: ids, rows of single units, direct identifiers, small cells, places on disk.

Every file under ``results/`` is read, whatever wrote it, as far as it holds words (`readable`); Parquet and CSV also
column by column. The progress folder is the trial team's, who chase units by their ids: in it
ids may stand, but no direct identifier and no place on the disk.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pipanalysis.errors import DisclosureError, Problem
from pipanalysis.estimate.single_units import RAW, origin, public_checksums
from pipanalysis.files import read_parquet
from pipanalysis.intake.identifiers import identifier_columns, identifier_kind
from pipanalysis.reproduce.readable import readable
from pipanalysis.simulate.guard import unlike
from pipanalysis.study.plan import FEWEST_IN_A_COURSE

if TYPE_CHECKING:
    import pandas as pd

    from pipanalysis.study.load import Study

SHARE_OF_UNITS = 0.5
"""share of all units whose ids, found in one column, make it a column of ids although each might be a plain number"""
FEWEST_UNITS = 8
"""so many at least"""
UNIT_COUNTS = ("n_level", "n_affected", "n_events", "n_floor", "n_ceiling")
SHOWN = 5


def refuse_disclosures(study: Study) -> str:
    """Check every file of the results.

    Returns:
        What was done, in a line.

    Raises:
        DisclosureError: each file, column or row that gives something away.
    """
    units = read_parquet(study.layout.participants, columns=["unit"])["unit"].astype(str).unique().tolist()
    keys = {file.key for file in study.config.files} | {study.allocation.key, "unit"}
    places = {str(study.layout.root.resolve()), str(Path.home())} - {"/", "."}
    problems, files = [], 0
    for path in sorted(path for path in study.layout.results.rglob("*") if path.is_file()):
        files += 1
        name = path.relative_to(study.layout.root).as_posix()
        if path.is_relative_to(study.layout.progress_folder):
            problems += [*_in_text(name, path, [], places), *_in_tables(name, path, [], set())]
        else:
            problems += [*_in_text(name, path, units, places), *_in_tables(name, path, units, keys)]
    problems += [*small_cells(study), *small_courses(study), *single_courses(study)]
    if problems:
        raise DisclosureError(list(dict.fromkeys(problems)))
    return f"{files} files, none with an id of {len(units)} {study.config.study.unit}s"


def distinctive(unit: str) -> bool:
    """Tell an id that can be nothing else (D014, 1402733) from one that might be a plain number or word (12, AB)."""
    return len(unit) >= 6 or (len(unit) >= 3 and bool(re.search(r"\d", unit)) and bool(re.search(r"\D", unit)))


def _in_text(name: str, path: Path, units: list[str], places: Iterable[str]) -> Iterator[Problem]:
    """Look for ids and places on disk anywhere in a file."""
    ids = {unit.encode() for unit in units if distinctive(unit)}
    lengths = {len(unit) for unit in ids}
    for part, content in readable(path):
        where = f"{name}, {part}" if part else name
        found = sorted(_tokens(content, ids, lengths))
        if found:
            named = f"{len(found)} id{'s' if len(found) > 1 else ''} of units"
            yield Problem(where, named, "no id of a unit")
        if any(place.encode() in content for place in places):
            yield Problem(where, "a folder of this machine", "no place on a disk")


def _tokens(content: bytes, ids: set[bytes], lengths: set[int]) -> set[bytes]:
    """Return the ids that stand in the content by themselves, not within a longer word or number."""
    if not ids:
        return set()
    words = set(re.findall(rb"[0-9A-Za-z]+(?:[-_./][0-9A-Za-z]+)*", content))
    words |= {part for word in words for part in re.split(rb"[-_./]", word)}
    plain = {word for word in words if len(word) in lengths} & ids
    odd = {unit for unit in ids if not re.fullmatch(rb"[0-9A-Za-z]+(?:[-_./][0-9A-Za-z]+)*", unit)}
    return plain | {unit for unit in odd if unit in content}


def _in_tables(name: str, path: Path, units: list[str], keys: set[str]) -> Iterator[Problem]:
    """Look at the columns of a table: by name, and by what stands in them."""
    import pandas as pd

    if path.suffix == ".parquet":
        table = read_parquet(path)
    elif path.suffix == ".csv":
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    else:
        return
    yield from identifier_columns(name, map(str, table.columns), ())
    for column in map(str, table.columns):
        where = f"{name}, column {column!r}"
        if column in keys:
            yield Problem(where, "a column of ids of units", "no rows of single units")
        values = set(table[column].dropna().astype(str).unique())
        common = values & set(units)
        if len(common) >= max(FEWEST_UNITS, SHARE_OF_UNITS * len(units)):
            yield Problem(where, f"the ids of {len(common)} units", "no rows of single units")
        kinds = {kind for value in values if not _plain_number(value) and (kind := identifier_kind(value))}
        for kind in sorted(kinds):
            yield Problem(where, kind, "no direct identifier")


def _plain_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def small_cells(study: Study) -> list[Problem]:
    """Return a problem for each count of units by arm that is above 0 and below the study's smallest."""
    least = study.displays.disclosure.min_cell
    if least < 2:
        return []
    results = read_parquet(study.layout.estimates)
    small = results[
        results["stat_name"].isin(UNIT_COUNTS)
        & (results["arm"] != "")
        & (results["stat"] >= 1)
        & (results["stat"] < least)
        & ~results["analysis"].isin(study.displays.disclosure.except_analyses)
    ]
    hint = "put categories together, leave the analysis out, or name it in disclosure.except_analyses (displays.yaml)"
    return [
        Problem(
            f"analysis {analysis}",
            f"{len(own)} counts from 1 to {least - 1} ({_named(own)})",
            f"0, or {least} and more",
            hint,
        )
        for analysis, own in small.groupby("analysis", sort=True)
    ]


def small_courses(study: Study) -> list[Problem]:
    """Return a problem for each analysis with courses of fewer units than may be shown, or whose units are not counted.

    No setting of a study allows fewer than FEWEST_IN_A_COURSE, nor does `except_analyses`: a course is no count.
    """
    least = max(study.displays.disclosure.min_cell, FEWEST_IN_A_COURSE)
    results = read_parquet(study.layout.estimates)
    courses = results[results["stat_name"].isin(["course_mean", "n_in_course"])]
    place = ["analysis", "population", "outcome", "arm", "context"]
    enough = courses.loc[(courses["stat_name"] == "n_in_course") & (courses["stat"] >= least), place]
    small = courses[~courses.set_index(place).index.isin(enough.set_index(place).index)].drop_duplicates(place)
    return [
        Problem(
            f"analysis {analysis}",
            f"{len(own)} courses of fewer than {least} units, or of units not counted ({_named(own)})",
            f"courses of {least} units and more",
            "courses: (analysis.yaml) is how many a course has at least",
        )
        for analysis, own in small.groupby("analysis", sort=True)
    ]


def single_courses(study: Study) -> list[Problem]:
    """Return a problem for each analysis with courses of single units, unless every raw file is public as it is now.

    That is, as `simulate` wrote it, or as the register of published data has it. What the study says of its data is not
    enough, nor does a setting allow them for confidential ones.
    """
    results = read_parquet(study.layout.estimates)
    single = results[results["stat_name"] == "course_value"]
    others = [] if single.empty else unlike(study, public_checksums(study))
    if not others:
        return []
    files = f"raw files that are not {origin(study)}: {', '.join(RAW + path for path in others)}"
    return [
        Problem(
            f"analysis {analysis}",
            f"{len(own)} values of single units ({_named(own)}), and {files}",
            f"courses of {max(study.displays.disclosure.min_cell, FEWEST_IN_A_COURSE)} units and more",
            "courses: single (analysis.yaml) is for synthetic and published data alone",
        )
        for analysis, own in single.groupby("analysis", sort=True)
    ]


def _named(rows: pd.DataFrame) -> str:
    """Return where the first rows stand in words, and how many more there are."""
    shown = [
        ", ".join(str(row[name]) for name in ("outcome", "visit", "arm", "context", "stat_name") if row[name])
        for _, row in rows.head(SHOWN).iterrows()
    ]
    return "; ".join(shown) + (f"; and {len(rows) - SHOWN} more" if len(rows) > SHOWN else "")
