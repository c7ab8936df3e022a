"""Where the effects of Bayesian analyses stand in the results."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pipanalysis.display.wording import analysis_label
from pipanalysis.study.contrasts import contrast_name

if TYPE_CHECKING:
    from pipanalysis.display.results_index import ResultsIndex
    from pipanalysis.study.bayes_plan import PriorSet
    from pipanalysis.study.load import Study

OVERALL = "overall"
"""stands for the outcome in rows of all domains together"""
MEASURES = ("", "measure=risk_difference")


@dataclass(frozen=True)
class Place:
    """Where an effect stands: an outcome (or domain, or overall), a visit and a contrast of one analysis."""

    analysis: str
    outcome: str
    visit: str
    contrast: str
    label: str
    measure: str = ""

    def context(self, priors: PriorSet, *more: str) -> str:
        """Return the context of a statistic of the effect under a set of priors."""
        return context_of(priors.name, *filter(None, [self.measure, *more]))


def context_of(prior: str, *more: str) -> str:
    """Return the context of a statistic under a set of priors."""
    return ", ".join([f"prior={prior}", *more])


def places(
    study: Study,
    results: ResultsIndex,
    analyses: Sequence[str],
    visits: Sequence[str] | Literal["all"],
    outcome: str,
    priors: PriorSet,
) -> Iterator[Place]:
    """Yield where analyses have an effect on an outcome, a domain or overall, in order of visits."""
    several = len(analyses) > 1
    for visit in ("", *study.visits):
        if visit and visits != "all" and visit not in visits:
            continue
        for name in analyses:
            for arm in list(study.arms)[1:]:
                contrast = contrast_name(arm, study.reference_arm.name)
                label = study.visits[visit].label if visit else "All visits"
                label += f": {analysis_label(study, name)}" if several else ""
                label += f", {study.arms[arm].label}" if len(study.arms) > 2 else ""
                for measure in MEASURES:
                    place = Place(name, outcome, visit, contrast, label, measure)
                    where = {"visit": visit, "contrast": contrast, "context": place.context(priors)}
                    if results.row(name, outcome, "p_benefit", **where) is not None:
                        yield place
