"""``config/displays.yaml``: which tables are made from the collected results."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pipanalysis.study.base import Model, Name, ScoreName


class Table(Model):
    """A table: rows of the collected results, laid out by its kind.

    Kinds: `baseline` (characteristics by arm), `outcomes` (outcomes by arm and visit), `effects` (treatment effects by
    visit, with the analyses in `analyses` side by side), `risks` (the same for binary outcomes: analyses by logistic),
    `subgroups` (effects within levels, and the interaction), `harms` (events and sessions by arm), `measurement` (how
    well each score measures, all arms together), `change` (units that improved reliably, by arm),
    `margins` (non-inferiority and equivalence), `growth` (slopes by arm), `bayes_effects` (posterior differences and
    probabilities), `bayes_checks` (how well the Bayesian models were sampled and fit).
    """

    name: Name
    """name of its files, results/tables/NAME.html and .csv"""
    number: str
    """number in the catalogue of displays, as 1 or 14.2.1"""
    kind: Literal[
        "baseline",
        "outcomes",
        "effects",
        "risks",
        "subgroups",
        "harms",
        "measurement",
        "change",
        "margins",
        "growth",
        "bayes_effects",
        "bayes_checks",
    ]
    title: str
    analyses: Annotated[list[Name], Field(min_length=1)]
    """analyses of the plan whose results it shows"""
    outcomes: list[Name] | Literal["all"] = "all"
    visits: list[Name] | Literal["all"] = "all"
    footnotes: list[str] = []


class Digits(Model):
    """Digits after the decimal point by type of statistic."""

    mean: Annotated[int, Field(ge=0, le=6)] = 1
    sd: Annotated[int, Field(ge=0, le=6)] = 1
    estimate: Annotated[int, Field(ge=0, le=6)] = 2
    effect_size: Annotated[int, Field(ge=0, le=6)] = 2
    p_value: Annotated[int, Field(ge=2, le=6)] = 3
    percent: Annotated[int, Field(ge=0, le=3)] = 0
    scores: dict[ScoreName, Annotated[int, Field(ge=0, le=6)]] = {}
    """means, standard deviations and quartiles of a score that needs other digits (a short scale)"""

    def of(self, name: str) -> Digits:
        """Return the digits of a score or variable."""
        own = self.scores.get(name)
        return self if own is None else self.model_copy(update={"mean": own, "sd": own})


class Displays(Model):
    """The whole of ``config/displays.yaml``."""

    digits: Digits = Digits()
    tables: Annotated[list[Table], Field(min_length=1)]
