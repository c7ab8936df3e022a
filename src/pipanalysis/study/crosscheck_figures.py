"""Checks of the figures of displays.yaml."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pipanalysis.study.finding import Finding, one_of
from pipanalysis.study.plan import FAMILIES
from pipanalysis.study.yaml_file import Location

if TYPE_CHECKING:
    from pipanalysis.study.load import Study

FILE = "displays.yaml"
FIRST_METHODS: dict[str, tuple[str, ...]] = {
    "consort": ("flow",),
    "missingness": ("completeness",),
    "recruitment": ("recruitment",),
}
"""kinds of figure whose first analysis is of these methods alone"""
BAYESIAN = ("posteriors", "prior_posterior")
"""kinds of figure whose analyses are all Bayesian"""


def check_figures(study: Study) -> Iterator[Finding]:
    """Find names that figures share or that are not there, and figures that cannot show their analyses."""
    methods = {analysis.name: analysis.method for analysis in study.plan.analyses}
    adjusted = {analysis.name for analysis in study.plan.analyses if analysis.delta_adjustments}
    seen: set[str] = set()
    for i, figure in enumerate(study.displays.figures):
        at: Location = ("figures", i)
        if figure.name in seen:
            yield FILE, (*at, "name"), f"{figure.name!r} twice", "each name once", "repeated-name"
        seen.add(figure.name)
        for name in figure.analyses:
            if name not in methods:
                yield FILE, (*at, "analyses"), repr(name), one_of(methods)
        first, wanted = figure.analyses[0], FIRST_METHODS.get(figure.kind)
        if wanted and first in methods and methods[first] not in wanted:
            found = f"{first!r}, of method {methods[first]}, first in a figure of kind {figure.kind}"
            yield FILE, (*at, "analyses"), found, f"an analysis of method {' or '.join(wanted)}", "display-unsuited"
        for name in figure.analyses:
            if figure.kind in BAYESIAN and name in methods and methods[name] not in FAMILIES["bayes"]:
                found = f"{name!r}, of method {methods[name]}, in a figure of kind {figure.kind}"
                yield (
                    FILE,
                    (*at, "analyses"),
                    found,
                    f"an analysis of method {', '.join(FAMILIES['bayes'])}",
                    "display-unsuited",
                )
            if figure.kind == "tipping_points" and name in methods and name not in adjusted:
                found = f"{name!r}, without delta_adjustments, in a figure of kind {figure.kind}"
                yield FILE, (*at, "analyses"), found, "an analysis with delta_adjustments", "display-unsuited"
        for name in figure.outcomes if figure.outcomes != "all" else ():
            if name not in study.outcomes:
                yield FILE, (*at, "outcomes"), repr(name), one_of(study.outcomes)
        for name in figure.visits if figure.visits != "all" else ():
            if name not in study.visits:
                yield FILE, (*at, "visits"), repr(name), one_of(study.visits)
