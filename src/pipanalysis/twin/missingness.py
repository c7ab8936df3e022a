"""What is missing, in three steps: visits as whole patterns, forms within visits, items within forms.

No pattern, and no share of missing values, rests on fewer units than the least cell allows.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from pipanalysis.twin.source import Block, Source, WideVariable


@dataclass
class Missingness:
    """How values go missing.

    Attributes:
        patterns: (k, b) which blocks are there, the emptiest pattern first.
        pattern_of: (n,) pattern of each unit of the source, rare ones put to the nearest common one.
        merged: units whose pattern was put to another.
        withheld: (p,) variables that fewer units have than the least cell: left empty.
        together: variables missing together, each list with the (n,) indicator, 1 where they are there and NaN where
            their block is not.
        forms: (block, questionnaire) → share of forms missing where the block is there.
        rates: (p,) share of values missing, where block and form are there and nothing is missing together.
    """

    patterns: np.ndarray
    pattern_of: np.ndarray
    merged: int
    withheld: np.ndarray
    together: list[tuple[list[int], np.ndarray]] = field(default_factory=list)
    forms: dict[tuple[Block, str], float] = field(default_factory=dict)
    rates: np.ndarray = field(default_factory=lambda: np.empty(0))


def find_missingness(source: Source, min_cell: int) -> Missingness:
    """Return how the source's values are missing."""
    patterns, pattern_of, merged = common_patterns(np.column_stack(list(source.blocks.values())), min_cell)
    variables = source.variables
    there = [source.blocks[v.block] for v in variables]
    absent = [np.isnan(v.values) & here for v, here in zip(variables, there, strict=True)]
    filled = np.array([int((~np.isnan(v.values)).sum()) for v in variables])
    found = Missingness(patterns, pattern_of, merged, filled < min_cell)
    forms = _forms(variables)
    # Within-form shares are counted among the forms that are there.
    base = list(there)
    few: list[tuple[Block, str]] = []
    gone: dict[tuple[Block, str], tuple[int, int]] = {}
    for key, members in forms.items():
        if len(members) < 2:
            continue
        lost = np.all([absent[j] for j in members], axis=0)
        gone[key] = int(lost.sum()), int(there[members[0]].sum())
        if gone[key][0] < min_cell:
            few.append(key)
        for j in members:
            base[j], absent[j] = there[j] & ~lost, absent[j] & ~lost
    found.forms = {key: lost / n for key, (lost, n) in gone.items() if n}
    shared = _share([gone[key] for key in few])
    found.forms |= dict.fromkeys(few, shared)
    _together(found, variables, there, absent, min_cell)
    _rates(found, variables, base, absent, min_cell)
    return found


def common_patterns(there: np.ndarray, min_cell: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Return the patterns that at least `min_cell` units share, each unit's, and how many units were put to another's.

    A rarer pattern becomes the common one with the fewest differences, of several the most frequent. Where none is
    common all units get the pattern of what most of them have.

    Args:
        there: (n, b) whether a unit has a block.
        min_cell: least number of units.
    """
    distinct, inverse, counts = np.unique(there, axis=0, return_inverse=True, return_counts=True)
    inverse = inverse.ravel()
    common = np.flatnonzero(counts >= min_cell)
    if not len(common):
        return (there.mean(axis=0) >= 0.5)[None, :], np.zeros(len(there), dtype=int), len(there)
    order = sorted(common.tolist(), key=lambda i: (distinct[i].sum(), -counts[i]))
    distance = (distinct[:, None, :] != distinct[order][None, :, :]).sum(axis=2)
    nearest = np.lexsort((np.broadcast_to(-counts[order], distance.shape), distance), axis=1)[:, 0]
    return distinct[order], nearest[inverse], int(counts[counts < min_cell].sum())


def _forms(variables: list[WideVariable]) -> dict[tuple[Block, str], list[int]]:
    forms: dict[tuple[Block, str], list[int]] = {}
    for j, variable in enumerate(variables):
        if variable.raw.instrument:
            forms.setdefault((variable.block, variable.raw.instrument), []).append(j)
    return forms


def _share(counts: list[tuple[int, int]]) -> float:
    n = sum(n for _, n in counts)
    return sum(lost for lost, _ in counts) / n if n else 0.0


def _together(
    found: Missingness,
    variables: list[WideVariable],
    there: list[np.ndarray],
    absent: list[np.ndarray],
    min_cell: int,
) -> None:
    """Put variables of a block together that are missing for the same units, but for fewer than `min_cell` of them."""
    for j, variable in enumerate(variables):
        if variable.raw.instrument or found.withheld[j] or absent[j].sum() < min_cell:
            continue
        for members, _ in found.together:
            first = members[0]
            if variables[first].block == variable.block and (absent[first] != absent[j]).sum() < min_cell:
                members.append(j)
                break
        else:
            found.together.append(([j], np.where(there[j], (~absent[j]).astype(float), np.nan)))


def _rates(
    found: Missingness, variables: list[WideVariable], base: list[np.ndarray], absent: list[np.ndarray], min_cell: int
) -> None:
    """Give each variable its share of missing values; those missing for few units share one with their like."""
    counts = [(int(a.sum()), int(b.sum())) for a, b in zip(absent, base, strict=True)]
    clustered = {j for members, _ in found.together for j in members}
    found.rates = np.zeros(len(variables))
    alike: dict[str, list[int]] = {}
    for j, (lost, n) in enumerate(counts):
        if j in clustered:
            continue
        if lost >= min_cell:
            found.rates[j] = lost / n
        else:
            alike.setdefault(variables[j].raw.instrument or variables[j].file, []).append(j)
    for members in alike.values():
        found.rates[members] = _share([counts[j] for j in members])
