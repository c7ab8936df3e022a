"""Checks of the instruments: items that exist, ranges, and scores made from items and earlier scores."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from pipanalysis.study.finding import Finding, one_of
from pipanalysis.study.instrument import Instrument, Score
from pipanalysis.study.yaml_file import Location

if TYPE_CHECKING:
    from pipanalysis.study.load import Study


def check_instruments(study: Study) -> Iterator[Finding]:
    """Find contradictions in the items and scores of the instruments."""
    for instrument in study.instruments.values():
        file = f"instruments/{instrument.name}.yaml"
        items = instrument.items
        if bool(items.count) == bool(items.names):
            yield (
                file,
                ("items",),
                "count and names" if items.count else "neither count nor names",
                "one of count and names",
            )
            continue
        known = set(instrument.item_names())
        listed: list[tuple[Location, Iterable[object]]] = [
            (("items", "reversed"), items.reversed),
            (("items", "ranges"), items.ranges),
        ]
        for name, score in instrument.scores.items():
            if score.items != "all":
                listed.append((("scores", name, "items"), score.items))
        for location, chosen in listed:
            for item in chosen:
                if item not in known:
                    yield file, location, f"item {item!r}", one_of(instrument.item_names())
        if items.type == "category":
            if not items.levels:
                yield file, ("items",), "category items without levels", "levels: code → label"
        elif any(instrument.item_range(item) is None for item in known):
            yield file, ("items",), "items without a range", "range, or ranges for each item"
        for visit in instrument.visits if instrument.visits != "all" else ():
            if visit not in study.visits:
                yield file, ("visits",), repr(visit), one_of(study.visits)
        tables = [f.events.name for f in study.config.files if f.events]
        if instrument.double_coded and instrument.double_coded not in tables:
            yield file, ("double_coded",), repr(instrument.double_coded), one_of(tables)
        for name, score in instrument.scores.items():
            yield from _score(instrument, name, score, file)


_NEEDS: dict[str, tuple[str, ...]] = {
    "count": ("at_least",),
    "sum_of": ("scores",),
    "mean_of": ("scores",),
    "ratio": ("numerator", "denominator"),
    "category": ("codes",),
    "threshold": ("scores",),
}


def _score(instrument: Instrument, name: str, score: Score, file: str) -> Iterator[Finding]:
    at: Location = ("scores", name)
    for key in _NEEDS.get(score.rule, ()):
        if getattr(score, key) in (None, []):
            yield file, at, f"rule {score.rule} without {key}", f"{key} must be given"
    if score.rule == "threshold" and (score.at_least is None) == (score.at_most is None):
        yield file, at, "rule threshold", "one of at_least and at_most"
    if score.rule in ("item", "category") and (score.items == "all" and len(instrument.item_names()) > 1):
        yield file, at, f"rule {score.rule} without its item", "items: [the one item]"
    if score.rule in ("sum", "mean", "count") and instrument.items.type == "category":
        yield file, (*at, "rule"), score.rule, "category or item, for category items"
    yield from _change(name, score, file)
    for code in score.codes:
        if code not in instrument.items.levels:
            yield file, (*at, "codes"), repr(code), one_of(instrument.items.levels)
    earlier = list(instrument.scores)[: list(instrument.scores).index(name)]
    used = [*score.scores, *([score.numerator] if score.numerator not in (None, "item_sum") else []), score.denominator]
    for other in used:
        if other is not None and other not in earlier:
            yield file, at, f"score {other!r}", one_of(earlier) + " (scores defined above this one)"
    for limit in sorted({score.missing.max_missing, score.max_missing_in_form or 0}):
        if limit > len(instrument.item_names()):
            yield file, (*at, "missing"), f"{limit} missing items", f"at most {len(instrument.item_names())}"


def _change(name: str, score: Score, file: str) -> Iterator[Finding]:
    """Find a reliability or clinical range that change cannot be judged by."""
    at: Location = ("scores", name)
    given = [key for key in ("reliability", "clinical") if getattr(score, key) is not None]
    if given and score.better is None:
        yield file, (*at, given[0]), f"{given[0]} of a score without a direction of benefit", "better: higher or lower"
    if given and score.type in ("binary", "nominal"):
        yield file, (*at, given[0]), f"{given[0]} of a {score.type} score", "a score that is not a category"
    clinical = score.clinical
    if clinical is None:
        return
    if (clinical.at_least is None) == (clinical.at_most is None):
        yield file, (*at, "clinical"), "both or neither of at_least and at_most", "one of at_least and at_most"
    elif score.better and (clinical.at_most is None) != (score.better == "lower"):
        allowed = "at_least" if score.better == "lower" else "at_most"
        yield file, (*at, "clinical"), f"a clinical range that begins on the better side ({score.better})", allowed
    for limit in (clinical.at_least, clinical.at_most):
        if limit is not None and score.range and not score.range.min <= limit <= score.range.max:
            allowed = f"{score.range.min:g} to {score.range.max:g}, the score's range"
            yield file, (*at, "clinical"), f"cut-off {limit:g}", allowed
