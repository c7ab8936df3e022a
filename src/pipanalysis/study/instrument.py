"""``config/instruments/*.yaml``: a questionnaire or rating scale: items, ranges, scores, missing-item rule, cut-offs.

Scoring is declarative. A score is made from items or from other scores of the same instrument by one of a few rules;
no instrument has code of its own, and no wording of an item is stored.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pipanalysis.study.base import Label, Model, Name, Sourced
from pipanalysis.study.study import Range

ItemName = int | Name


class Items(Model):
    """The items of an instrument; numbered from 1 where `count` is given, named where `names` is."""

    count: Annotated[int, Field(ge=1, le=1000)] | None = None
    names: list[Name] = []
    type: Literal["integer", "number", "category"] = "integer"
    range: Range | None = None
    """allowed values, unless `ranges` says otherwise for an item"""
    ranges: dict[ItemName, Range] = {}
    step: float | None = None
    """distance between allowed values of a number, counted from the range's min (0.5 for half points)"""
    levels: dict[str, Label] = {}
    """category: code in the raw file (as text) → label"""
    reversed: list[ItemName] = []
    """items scored as min + max - value"""


class MissingItems(Model):
    """When a score may be made from an incomplete form."""

    max_missing: Annotated[int, Field(ge=0)] = 0
    """more missing items than this give a missing score"""
    method: Literal["prorate", "available"] = "prorate"
    """prorate: mean of the answered items times the number of items; available: the rule on the answered items"""


class Score(Sourced):
    """One score of an instrument.

    Rules: `sum`, `mean` of items; `count` of items whose value is at least `at_least`; `item` (an item as it is);
    `sum_of`, `mean_of` other scores; `ratio` of two scores or of the raw item sum to a score; `category` (1 where the
    item's code is among `codes`, else 0); `threshold` (1 where another score is at or beyond `at_least` or `at_most`,
    else 0).
    """

    label: Label
    rule: Literal["sum", "mean", "count", "item", "sum_of", "mean_of", "ratio", "category", "threshold"]
    items: list[ItemName] | Literal["all"] = "all"
    scores: list[Name] = []
    """sum_of, mean_of: the scores; threshold: the one score"""
    numerator: Name | Literal["item_sum"] | None = None
    """ratio: a score, or item_sum (sum of the answered items in `items`)"""
    denominator: Name | None = None
    """ratio: a score; where it is 0 the ratio is undefined and so missing"""
    codes: list[str] = []
    """category: item codes that score 1"""
    at_least: float | None = None
    at_most: float | None = None
    missing: MissingItems = MissingItems()
    max_missing_in_form: Annotated[int, Field(ge=0)] | None = None
    """the score is missing too where more than this many of ALL the instrument's items are missing"""
    type: Literal["continuous", "count", "binary", "ordinal", "nominal"] = "continuous"
    range: Range | None = None
    """possible values; a score outside it is an error of the configuration, not of the data"""
    better: Literal["higher", "lower"] | None = None
    """the direction of benefit"""
    unit: str | None = None
    norm: Norm | None = None
    """mean and SD in a reference population, where published"""
    mcid: Annotated[float, Field(gt=0)] | None = None
    """smallest difference that matters"""
    reliability: Reliability | None = None
    """how far the score repeats itself, for reliable change"""
    clinical: ClinicalRange | None = None
    """scores of people in need of treatment, for clinically significant change"""

    @property
    def worst(self) -> float | None:
        """The worst value that the score can have; None where its range or direction of benefit is not given."""
        limits = (0.0, 1.0) if self.type == "binary" else (self.range.min, self.range.max) if self.range else None
        if limits is None or self.better is None:
            return None
        return limits[0] if self.better == "higher" else limits[1]


class Norm(Sourced):
    """Reference population of a score."""

    mean: float
    sd: Annotated[float, Field(gt=0)]
    population: str


class Reliability(Sourced):
    """Reliability of a score: a coefficient of a published sample."""

    value: Annotated[float, Field(gt=0, lt=1)]
    kind: str
    """which coefficient, in which population (Cronbach's alpha, general population)"""


class ClinicalRange(Sourced):
    """The scores on the clinical side of a cut-off: at least (or at most) this value, itself included."""

    at_least: float | None = None
    at_most: float | None = None


class Instrument(Sourced):
    """The whole of one file in ``config/instruments/``; the file is named after the instrument."""

    name: Name
    label: Label
    edition: str | None = None
    respondent: str
    """who answers or codes (mother, examiner, blind coder)"""
    visits: list[Name] | Literal["all"] = "all"
    """visits at which it is given"""
    items: Items
    scores: Annotated[dict[Name, Score], Field(min_length=1)]
    double_coded: Name | None = None
    """event table with second coders' ratings of a sub-sample"""
    notes: str | None = None

    def item_names(self) -> list[ItemName]:
        """Return every item's number or name, in order."""
        return list(range(1, self.items.count + 1)) if self.items.count else list(self.items.names)

    def item_variable(self, item: ItemName) -> str:
        """Return the name of the item's column in the checked tables: ``instrument_item``."""
        return f"{self.name}_{item}"

    def item_range(self, item: ItemName) -> Range | None:
        """Return the allowed values of an item (None for a category)."""
        return self.items.ranges.get(item, self.items.range)


Score.model_rebuild()
