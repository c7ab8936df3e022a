"""``config/displays.yaml``: which tables and figures are made from the collected results."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from pipanalysis.study.base import Label, Model, Name, ScoreName
from pipanalysis.study.figures import Figure

TABLE_ENDINGS = {"html": "html", "docx": "docx", "rtf": "rtf", "latex": "tex"}
"""formats of tables and the endings of their files; numbers as CSV always stand beside them"""


OF_ANY_METHOD = ("diagnostics", "deviations")
"""kinds of table that show analyses of every method"""


class Table(Model):
    """A table: rows of the collected results, laid out by its kind.

    Kinds:

    - `baseline`: characteristics by arm
    - `outcomes`: outcomes by arm and visit
    - `effects`: treatment effects by visit, with the analyses in `analyses` side by side
    - `risks`: the same for binary outcomes (logistic, gee)
    - `categories`: ordinal and nominal outcomes
    - `counts`: outcomes that are counts
    - `subgroups`: effects within levels, and the interaction
    - `harms`: events and sessions by arm
    - `service_use`: contacts with services by arm
    - `measurement`: how well each score measures, all arms together
    - `change`: units that improved reliably, by arm
    - `margins`: non-inferiority and equivalence
    - `growth`: slopes by arm
    - `therapists`: effects with therapists counted and ignored
    - `cace`: effects of treatment received, beside those of treatment offered
    - `imputation`: effects by what is assumed of those who dropped out
    - `moderators`: effects by the value of a moderator
    - `dyadic`: how the roles of a dyad change together
    - `checks`: residuals, influence and covariance structures of the mixed models
    - `flow`: participant flow in numbers
    - `completeness`: values there, by instrument, visit and arm
    - `protocol_deviations`: deviations from the protocol and everything excluded
    - `double_programming`: estimates computed twice, and how far they differ
    - `diagnostics`: how every fit ended
    - `bayes_effects`: posterior differences and probabilities
    - `bayes_checks`: how well the Bayesian models were sampled and fit
    - `deviations`: what each analysis is by the plan's lock, of all analyses
    """

    name: Name
    """name of its files, results/tables/NAME.html, .csv and so on"""
    number: Label
    """number in the catalogue of displays, as 1 or 14.2.1"""
    kind: Literal[
        "baseline",
        "outcomes",
        "effects",
        "risks",
        "categories",
        "counts",
        "subgroups",
        "harms",
        "service_use",
        "measurement",
        "change",
        "margins",
        "growth",
        "therapists",
        "cace",
        "imputation",
        "moderators",
        "dyadic",
        "checks",
        "deviations",
        "flow",
        "completeness",
        "protocol_deviations",
        "double_programming",
        "diagnostics",
        "bayes_effects",
        "bayes_checks",
    ]
    title: Label
    analyses: list[Name] = []
    """analyses of the plan whose results it shows (deviations: none are named, all are shown)"""
    outcomes: list[Name] | Literal["all"] = "all"
    visits: list[Name] | Literal["all"] = "all"
    footnotes: list[Label] = []

    @model_validator(mode="after")
    def _names_its_analyses(self) -> Table:
        if bool(self.analyses) == (self.kind == "deviations"):
            wanted = "no analyses: it shows all of them" if self.analyses else "analyses: at least one"
            raise ValueError(f"a table of {self.kind} has {wanted}")
        return self


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


class Disclosure(Model):
    """What results may not give away of a participant."""

    min_cell: Annotated[int, Field(ge=0, le=100)] = 0
    """a count of units by arm, from 1 up to this less 1, is refused; 0 and 1 refuse none"""
    except_analyses: list[Name] = []
    """analyses whose counts are shown however small, by decision (a flow of participants)"""


TABLES_PER_FIGURE = 7.5
"""tables that are rendered in about the time of one figure, each in all of its formats, the step's start included"""


class Displays(Model):
    """The whole of ``config/displays.yaml``."""

    digits: Digits = Digits()
    disclosure: Disclosure = Disclosure()
    formats: Annotated[list[Literal["html", "docx", "rtf", "latex"]], Field(min_length=1)] = [
        "html",
        "docx",
        "rtf",
        "latex",
    ]
    """formats of the tables; their numbers as CSV are always written beside them"""
    tables: Annotated[list[Table], Field(min_length=1)]
    figure_formats: Annotated[list[Literal["svg", "pdf", "png"]], Field(min_length=1)] = ["svg", "pdf", "png"]
    """formats of the figures; their numbers (.csv) and alternative text (.txt) are always written beside them"""
    figures: list[Figure] = []
    report_formats: Annotated[list[Literal["html", "pdf"]], Field(min_length=1)] = ["html", "pdf"]
    """formats of the report, results/report.html and .pdf"""

    def table_endings(self) -> list[str]:
        """Return the endings of the files of each table."""
        return [*(TABLE_ENDINGS[name] for name in self.formats), "csv"]

    def figure_lots(self) -> dict[str, list[Figure]]:
        """Return the figures in two lots by the step of the workflow that draws them.

        The first lot is smaller, by what all tables take: they are rendered on the core that has drawn it. Its figures
        are taken evenly from all of them, as neighbours are of one kind.
        """
        n = len(self.figures)
        first = max(1, round((n - len(self.tables) / TABLES_PER_FIGURE) / 2))
        chosen = [i * first % n < first for i in range(n)]
        lots = {
            "figures": [figure for figure, own in zip(self.figures, chosen, strict=True) if own],
            "more_figures": [figure for figure, own in zip(self.figures, chosen, strict=True) if not own],
        }
        return {step: lot for step, lot in lots.items() if lot}

    def figure_endings(self) -> list[str]:
        """Return the endings of the files of each figure."""
        return [*self.figure_formats, "csv", "txt"]
