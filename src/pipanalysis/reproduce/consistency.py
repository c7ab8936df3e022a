"""Whether results agree with themselves: intervals, P values and counts by their own numbers, tables by the results.

Nothing but the results is needed, so a reviewer without the data can do it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

from pipanalysis.estimate.analysis_results import KEY
from pipanalysis.reproduce.compare import DRAWN, MCSE, Comparison, Finding, place
from pipanalysis.reproduce.pages import shown_numbers

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

CLOSE = 1e-6
"""relative difference between a number and what follows from the others"""
QUANTILES = ("min", "q1", "median", "q3", "max")
IN_PROPORTION = (("effect_size", "estimate"), ("effect_size_low", "conf_low"), ("effect_size_high", "conf_high"))
SHARES = (
    ("percent_floor", "n_floor", "n", 100.0),
    ("percent_ceiling", "n_ceiling", "n", 100.0),
    ("proportion", "n_affected", "n_set", 1.0),
    ("proportion", "n_level", "n_set", 1.0),
    ("event_rate", "n_events", "n_set", 1.0),
)
"""statistic, numerator, denominator and factor, all of one place"""

Key = tuple[str, ...]
Stats = dict[str, float]
Checked = Iterator[tuple[str, bool, str]]


def check_consistency(results: pd.DataFrame, tables: Path | None = None) -> Comparison:
    """Check results against themselves.

    Checked: intervals from estimate, standard error and degrees of freedom (where there are degrees of freedom, and of
    risks and ratios by the delta method, on the scale of the estimate, its logarithm or its logit); t statistics and
    their P values; estimates between their limits; P values between 0 and 1, adjusted ones not below the raw ones;
    counts that are whole; percentages and proportions of counts; percentages of a level; units with and without a value
    that add up to the same number in each analysis set and arm; units of courses that add up to those with a value at
    every visit; quantiles in order; effect sizes in proportion to
    estimates; every number of every table among the results, and every number of its page in the table, as rounded.

    Args:
        results: an analysis results dataset.
        tables: folder of the tables' CSV files and pages.

    Returns:
        Counts of what was right, by kind, and a finding for each thing that is not.
    """
    found = Comparison()
    groups: dict[Key, Stats] = {}
    levels: dict[Key, float] = {}
    columns = [results[name].astype(str) for name in KEY]
    for *key, stat, level in zip(*columns, results["stat"], results["conf_level"], strict=True):
        group, name = tuple(key[:-1]), key[-1]
        own = groups.setdefault(group, {})
        if name in own:
            found.findings.append(Finding("repeated", place((*group, name))))
        own[name] = float(stat)
        if not math.isnan(level):
            levels[group] = float(level)
    for group, own in groups.items():
        for check in (_interval, _test, _measure_test, _probabilities, _shape, _shares):
            for kind, right, told in check(own, group, levels.get(group, 0.95)):
                _note(found, kind, right, place((*group, "")), told)
    for across in (_level_percentages, _set_sizes, _course_sizes):
        for kind, right, where, told in across(groups):
            _note(found, kind, right, where, told)
    if tables is not None:
        _check_tables(found, results, tables)
    return found


def _note(found: Comparison, kind: str, right: bool, where: str, told: str) -> None:
    if right:
        found.counts[kind] += 1
    else:
        found.findings.append(Finding("inconsistent", f"{where}: {told}"))


def _has(own: Stats, *names: str) -> bool:
    return all(not math.isnan(own.get(name, math.nan)) for name in names)


def _close(found: float, wanted: float) -> bool:
    return abs(found - wanted) <= CLOSE * max(abs(found), abs(wanted), 1e-6)


def _interval(own: Stats, group: Key, level: float) -> Checked:
    from scipy import stats

    if not _has(own, "estimate", "conf_low", "conf_high"):
        return
    estimate, low, high = own["estimate"], own["conf_low"], own["conf_high"]
    if not any(word in group[KEY.index("method")] for word in DRAWN):  # a quantile of draws need not hold their mean
        yield "estimates within their limits", low <= estimate <= high, "the estimate is not between its limits"
    if not _has(own, "std_error"):
        return
    se, tail = own["std_error"], 0.5 + level / 2
    by_t = _has(own, "df")
    method = group[KEY.index("method")]
    if not by_t and ("delta" not in method or _of_profile(group)):
        return
    measured = group[KEY.index("context")].startswith("measure=")  # risks, means and ratios, on scales of their own
    quantile = float(stats.t.ppf(tail, own["df"]) if by_t else stats.norm.ppf(tail))
    right = any(
        all(
            _close(scale(limit), scale(estimate) + sign * quantile * of_scale) for limit, sign in ((low, -1), (high, 1))
        )
        for scale, of_scale in _scales(estimate, low, high, se, ratio=not by_t or measured)
    )
    yield "intervals", right, "the limits do not follow from estimate, standard error and degrees of freedom"


def _of_profile(group: Key) -> bool:
    """Tell odds ratios whose limits and P value are of a profile penalised likelihood."""
    measure = group[KEY.index("context")].removeprefix("measure=")
    return measure == "penalised_odds_ratio" or (measure == "odds_ratio" and "profile" in group[KEY.index("method")])


def _scales(
    estimate: float, low: float, high: float, se: float, *, ratio: bool
) -> Iterator[tuple[Callable[[float], float], float]]:
    """Yield the scales on which an interval can be symmetric, with the standard error on each.

    The standard error of a ratio is that of its logarithm, the one of a risk or mean is that of itself.
    """
    yield float, se
    if ratio and low > 0:
        yield math.log, se
        yield math.log, se / estimate
    if ratio and low > 0 and high < 1:
        yield (lambda p: math.log(p / (1 - p))), se / (estimate * (1 - estimate))


def _test(own: Stats, group: Key, _level: float) -> Checked:
    from scipy import stats

    if _has(own, "estimate", "std_error", "statistic") and own["std_error"] > 0:
        right = _close(own["statistic"], own["estimate"] / own["std_error"])
        yield "t statistics", right, "the statistic is not the estimate over its standard error"
    if _has(own, "statistic", "df", "p_value") and "p_value" + MCSE not in own:
        wanted = 2 * float(stats.t.sf(abs(own["statistic"]), own["df"]))
        yield "P values", _close(own["p_value"], wanted), "the P value does not follow from statistic and df"
    if _has(own, "f_interaction", "num_df_interaction", "den_df_interaction", "p_value_interaction"):
        names = ("f_interaction", "num_df_interaction", "den_df_interaction")
        wanted = float(stats.f.sf(*(own[name] for name in names)))
        right = _close(own["p_value_interaction"], wanted)
        yield "P values", right, "the P value of the interaction does not follow from F and its degrees of freedom"


def _measure_test(own: Stats, group: Key, _level: float) -> Checked:
    """Check Wald tests of differences, and of ratios by their logarithms; those of a penalised likelihood are not."""
    from scipy import stats

    measure = group[KEY.index("context")].removeprefix("measure=").partition(";")[0]
    if measure == group[KEY.index("context")] or not _has(own, "estimate", "std_error", "p_value"):
        return
    of_ratio = measure.endswith("_ratio")
    if not (of_ratio or measure.endswith("_difference")) or _of_profile(group) or own["std_error"] <= 0:
        return
    size = abs(math.log(own["estimate"]) if of_ratio else own["estimate"]) / own["std_error"]
    wanted = 2 * float(stats.t.sf(size, own["df"]) if _has(own, "df") else stats.norm.sf(size))
    yield "P values", _close(own["p_value"], wanted), "the P value does not follow from estimate and standard error"


def _probabilities(own: Stats, _group: Key, _level: float) -> Checked:
    for name, value in own.items():
        if name.startswith("p_value") and not math.isnan(value):
            yield "probabilities", 0.0 <= value <= 1.0, f"{name} is {value!r}"
        elif name.startswith("percent") and not math.isnan(value):
            yield "probabilities", 0.0 <= value <= 100.0, f"{name} is {value!r}"
    if _has(own, "p_value", "p_value_adjusted"):
        right = own["p_value_adjusted"] >= own["p_value"] * (1 - CLOSE)
        yield "adjusted P values", right, "the adjusted P value is below the raw one"


def _shape(own: Stats, _group: Key, _level: float) -> Checked:
    for name, value in own.items():
        whole = (name == "n" or name.startswith("n_")) and not name.startswith(("n_eff", "n_target"))
        if whole and not math.isnan(value):
            yield "counts", value >= 0 and value == int(value), f"{name} is {value!r}"
        elif name in ("sd", "std_error", "variance_visit", "variance_residual") and not math.isnan(value):
            yield "spreads", value >= 0, f"{name} is {value!r}"
    if _has(own, *QUANTILES):
        right = all(a <= b for a, b in pairwise(own[name] for name in QUANTILES))
        yield "quantiles", right, "smallest value, quartiles and largest value are not in order"
    if _has(own, "effect_size", "estimate") and own["estimate"]:
        factor = own["effect_size"] / own["estimate"]
        right = all(_close(own[size], factor * own[of]) for size, of in IN_PROPORTION if _has(own, size, of))
        yield "effect sizes", right, "effect size and its limits are not in proportion to the estimate and its limits"


def _shares(own: Stats, _group: Key, _level: float) -> Checked:
    for share, part, whole, factor in SHARES:
        if _has(own, share, part, whole) and own[whole] > 0:
            right = _close(own[share], factor * own[part] / own[whole])
            yield "percentages and proportions", right, f"{share} is not {part} over {whole}"


def _level_percentages(groups: dict[Key, Stats]) -> Iterator[tuple[str, bool, str, str]]:
    """Check the percentage of a level against the number with a value, which stands without a context."""
    at = KEY.index("context")
    for group, own in groups.items():
        total = groups.get((*group[:at], "", *group[at + 1 :]), {})
        if group[at] and _has(own, "n_level", "percent") and _has(total, "n") and total["n"] > 0:
            right = _close(own["percent"], 100.0 * own["n_level"] / total["n"])
            yield "percentages and proportions", right, place((*group, "")), "percent is not n_level over n"


def _set_sizes(groups: dict[Key, Stats]) -> Iterator[tuple[str, bool, str, str]]:
    """Check that units with and without a value add up to one number in each analysis, set and arm.

    Of units whose missing value is imputed, some lack what an outcome is adjusted for: one number for each outcome.
    """
    shared = ("analysis", "population", "arm")
    sizes: dict[Key, float] = {}
    for without, keys in (("n_missing", shared), ("n_imputed", (*shared, "outcome"))):
        at = [KEY.index(name) for name in keys]
        for group, own in groups.items():
            if _has(own, "n", without):
                size = own["n"] + own[without]
                expected = sizes.setdefault((without, *(group[i] for i in at)), size)
                told = f"n and {without} add up to {size:g}, elsewhere in the arm to {expected:g}"
                yield "units that add up", size == expected, place((*group, "")), told


def _course_sizes(groups: dict[Key, Stats]) -> Iterator[tuple[str, bool, str, str]]:
    """Check that the units of an arm's courses, where it has any, add up to those with a value at every visit."""
    at = KEY.index("context")
    sums: dict[Key, float] = {}
    for group, own in groups.items():
        if _has(own, "n_in_course"):
            arm = (*group[:at], *group[at + 1 :])
            sums[arm] = sums.get(arm, 0.0) + own["n_in_course"]
    for group, own in groups.items():
        total = sums.get((*group[:at], *group[at + 1 :]))
        if _has(own, "n_all_visits") and total is not None:
            told = f"the units of the courses add up to {total:g}, not to n_all_visits"
            yield "units that add up", total == own["n_all_visits"], place((*group, "")), told


def _check_tables(found: Comparison, results: pd.DataFrame, tables: Path) -> None:
    """Look for every number of every table among the results, and for those of its page in the table."""
    import pandas as pd

    known = {float(value) for value in results["stat"]}
    for path in sorted(tables.glob("*.csv")):
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        for column in table:
            numbers = pd.to_numeric(table[column], errors="coerce")
            for row, value in zip(table.index, numbers, strict=True):
                if not math.isnan(value):
                    told = f"{value!r} is not among the results"
                    where = f"tables/{path.name}, row {row + 2}, column {column}"
                    _note(found, "table numbers", float(value) in known, where, told)
        page = path.with_suffix(".html")
        if page.is_file():
            for where, shown, right in shown_numbers(page, table, results):
                told = f"{shown} is no number of {path.name} as rounded"
                _note(found, "numbers on pages", right, f"tables/{page.name}, {where}", told)
