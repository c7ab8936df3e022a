"""Two sets of analysis results, row by row: what is the same, and each difference by name."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Any

from pipanalysis.estimate.analysis_results import KEY

if TYPE_CHECKING:
    import pandas as pd

ROUNDING = 1e-10
"""relative difference of two numbers that another processor's rounding explains"""
NOISE = 1e-7
"""absolute difference allowed in statistics that are themselves differences of two programs, down to rounding"""
OF_TWO_PROGRAMS = ("difference_estimate", "difference_std_error", "max_relative_difference")
OF_OUTCOME = ("estimate", "conf_low", "conf_high")
"""statistics that have the error of the standard error beside them, however near zero they are"""
OF_RANKS = ("r_hat", "ess_bulk", "ess_tail", "sensitivity_prior", "sensitivity_likelihood")
RANKS = 1e-4
"""relative difference allowed in statistics of the ranks of draws: rounding may change the order of two"""
MCSE = "_mcse"
"""ending of the statistic that is the Monte Carlo standard error of another"""
MONTE_CARLO_ERRORS = 4.0
"""Monte Carlo standard errors of their difference that two runs may be apart: 1 in 16,000 numbers is, by chance"""
MCSE_SHARE = 0.5
"""share by which two estimates of a Monte Carlo standard error may differ"""
DRAWN = ("bootstrap", "bayes", "imputation")
"""words in the name of a method whose numbers are all drawn at random"""
SHARE_OF_STD_ERROR = 0.25
"""share of the standard error that such a number may differ by where it states no Monte Carlo error of its own"""
OTHER = ("stat_label", "conf_level", "prespecified", "warning", "error")

Key = tuple[str, ...]


@dataclass(frozen=True)
class Finding:
    """One difference.

    Attributes:
        kind: differs, missing, extra, repeated, relabelled, swapped, text, file, plan, data or inconsistent.
        where: which row or file.
        published: what the published results have.
        here: what the others have.
    """

    kind: str
    where: str
    published: str = ""
    here: str = ""

    def __str__(self) -> str:
        """Return the finding as a line."""
        told = f"{self.kind}: {self.where}"
        if self.published or self.here:
            told += f": published {self.published or 'nothing'}, here {self.here or 'nothing'}"
        return told


@dataclass
class Comparison:
    """What a comparison found; counts of numbers by how they agree (identical, rounding, monte_carlo)."""

    counts: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)


def place(key: Key) -> str:
    """Return what identifies a row, as text."""
    return ", ".join(f"{name} {value}" for name, value in zip(KEY, key, strict=True) if value and name in _TOLD)


_TOLD = ("analysis", "outcome", "visit", "arm", "contrast", "context", "stat_name")


def compare(published: pd.DataFrame, here: pd.DataFrame, *, rounding: float = ROUNDING) -> Comparison:
    """Compare two analysis results datasets.

    Numbers must be the same to ``rounding``, relative to themselves (an estimate or its limits: to the standard error
    where that is larger). A number with a Monte Carlo standard error (the statistic of
    its name and ``_mcse``) may differ by MONTE_CARLO_ERRORS standard errors of the difference; a number of a method
    that draws samples and states none by SHARE_OF_STD_ERROR of its standard error.

    Args:
        published: the results that are verified.
        here: the results of the repetition.
        rounding: relative difference that counts as equal.
    """
    result = Comparison()
    first, second = _rows(published, "published", result), _rows(here, "here", result)
    missing = [key for key in first if key not in second]
    extra = [key for key in second if key not in first]
    differing: dict[Key, Finding] = {}
    for key, row in first.items():
        if key in second:
            agreement = _agreement(key, first, second, rounding)
            if agreement == "differs":
                differing[key] = Finding("differs", place(key), _number(row["stat"]), _number(second[key]["stat"]))
            else:
                result.counts[agreement] += 1
            result.findings += _texts(key, row, second[key])
    swapped, explained = _swapped(differing, first, second)
    relabelled, paired = _relabelled(missing, extra, first, second)
    result.findings += [*swapped, *relabelled]
    result.findings += [finding for key, finding in differing.items() if key not in explained]
    result.findings += [Finding("missing", place(k), _number(first[k]["stat"])) for k in missing if k not in paired]
    result.findings += [Finding("extra", place(k), "", _number(second[k]["stat"])) for k in extra if k not in paired]
    return result


def _rows(frame: pd.DataFrame, which: str, result: Comparison) -> dict[Key, dict[str, Any]]:
    rows: dict[Key, dict[str, Any]] = {}
    records: list[dict[str, Any]] = frame.to_dict("records")  # type: ignore[assignment]
    for row in records:
        key = tuple(str(row[name]) for name in KEY)
        if key in rows:
            result.findings.append(Finding("repeated", f"{place(key)} (in the {which} results)"))
        rows[key] = row
    return rows


def _agreement(key: Key, first: dict[Key, Any], second: dict[Key, Any], rounding: float) -> str:
    a, b = float(first[key]["stat"]), float(second[key]["stat"])
    if a == b or (math.isnan(a) and math.isnan(b)):
        return "identical"
    if math.isnan(a) or math.isnan(b):
        return "differs"
    name, apart, method = key[-1], abs(a - b), key[KEY.index("method")]
    if apart <= _rounding(name, rounding, max(abs(a), abs(b)), _sibling(first, key, "std_error")):
        return "rounding"
    if name.endswith(MCSE):
        return "monte_carlo" if apart <= MCSE_SHARE * max(abs(a), abs(b)) else "differs"
    errors = [_sibling(rows, key, name + MCSE) for rows in (first, second)]
    if not any(math.isnan(error) for error in errors):
        return "monte_carlo" if apart <= MONTE_CARLO_ERRORS * math.hypot(*errors) else "differs"
    if any(word in method for word in DRAWN):
        error = max(_sibling(rows, key, "std_error") for rows in (first, second))
        return "monte_carlo" if apart <= SHARE_OF_STD_ERROR * error else "differs"
    return "differs"


def _rounding(name: str, rounding: float, size: float, std_error: float) -> float:
    """Return how far two numbers of this size may be apart by rounding; one near zero has the error of its fit."""
    if name in OF_TWO_PROGRAMS:
        return NOISE
    if name in OF_RANKS:
        return RANKS * size
    return rounding * (std_error if name in OF_OUTCOME and std_error > size else size)


def _sibling(rows: dict[Key, Any], key: Key, name: str) -> float:
    row = rows.get((*key[:-1], name))
    return math.nan if row is None else float(row["stat"])


def _texts(key: Key, a: dict[str, Any], b: dict[str, Any]) -> list[Finding]:
    found = []
    for column in OTHER:
        one, other = _text(a[column]), _text(b[column])
        if one != other:
            found.append(Finding("text", f"{place(key)}, column {column}", one, other))
    return found


def _text(value: Any) -> str:
    return "" if isinstance(value, float) and math.isnan(value) else str(value)


def _number(value: Any) -> str:
    return "no value" if math.isnan(float(value)) else repr(float(value))


def _swapped(
    differing: dict[Key, Finding], first: dict[Key, Any], second: dict[Key, Any]
) -> tuple[list[Finding], set[Key]]:
    """Find places where the numbers of two arms stand under each other's label."""
    at = KEY.index("arm")
    groups: dict[Key, dict[str, list[Key]]] = {}
    for key in differing:
        if key[at]:
            group = (*key[:at], *key[at + 1 : -1])
            groups.setdefault(group, {}).setdefault(key[at], []).append(key)
    found, explained = [], set[Key]()
    for arms in groups.values():
        for a, b in combinations(sorted(arms), 2):
            keys = arms[a] + arms[b]
            mirrored = {key: (*key[:at], b if key[at] == a else a, *key[at + 1 :]) for key in keys}
            if all(
                other in second and _same(first[key]["stat"], second[other]["stat"]) for key, other in mirrored.items()
            ):
                where = place((*keys[0][:at], "", *keys[0][at + 1 : -1], ""))
                found.append(Finding("swapped", f"{where}: the labels of arms {a} and {b}"))
                explained.update(keys)
    return found, explained


def _relabelled(
    missing: list[Key], extra: list[Key], first: dict[Key, Any], second: dict[Key, Any]
) -> tuple[list[Finding], set[Key]]:
    """Pair a missing row with an extra one that has the same number and differs in one label."""
    found, paired = [], set[Key]()
    for lost in missing:
        for key in extra:
            apart = [i for i, (one, other) in enumerate(zip(lost, key, strict=True)) if one != other]
            if key not in paired and len(apart) == 1 and _same(first[lost]["stat"], second[key]["stat"]):
                column = KEY[apart[0]]
                found.append(Finding("relabelled", f"{place(lost)}, column {column}", lost[apart[0]], key[apart[0]]))
                paired |= {lost, key}
                break
    return found, paired


def _same(a: Any, b: Any) -> bool:
    return bool(float(a) == float(b) or (math.isnan(float(a)) and math.isnan(float(b))))
