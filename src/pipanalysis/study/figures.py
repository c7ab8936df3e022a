"""The figures of ``config/displays.yaml``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pipanalysis.study.base import Label, Model, Name


class Figure(Model):
    """A figure: rows of the collected results, drawn by its kind.

    Kinds:

    - `consort`: flow diagram of CONSORT 2025, from an analysis of method flow and, for the numbers analysed, the
      analyses named after it
    - `recruitment`: units randomised against the target
    - `missingness`: patterns of visits with a value, of an analysis of method completeness
    - `trajectories`: means by arm over the visits with their limits, observed ones of descriptives (with the courses
      of groups of similar units or of single ones, or the middle half of the values) or adjusted ones of a model
    - `forest`: standardised effects by domain, the analyses side by side, Bayesian ones too
    - `posteriors`: posterior distributions, the region of practical equivalence and the MCID
    - `prior_posterior`: priors and posteriors, the sets of priors side by side
    - `tipping_points`: delta adjustments of an analysis as maps
    - `residuals`: quantiles of a model's residuals against those of the normal distribution
    - `scale_location`: the size of a model's residuals against its fitted means
    """

    name: Name
    """name of its files, results/figures/NAME.svg and so on"""
    number: Label
    """number in the catalogue of displays, as 1 or 14.2.1"""
    kind: Literal[
        "consort",
        "trajectories",
        "forest",
        "missingness",
        "recruitment",
        "residuals",
        "scale_location",
        "posteriors",
        "prior_posterior",
        "tipping_points",
    ]
    title: Label
    analyses: Annotated[list[Name], Field(min_length=1)]
    """analyses of the plan whose results it shows"""
    outcomes: list[Name] | Literal["all"] = "all"
    visits: list[Name] | Literal["all"] = "all"
    footnotes: list[Label] = []
