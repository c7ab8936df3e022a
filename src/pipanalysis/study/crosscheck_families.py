"""Checks of the families of hypotheses: members that exist, each hypothesis once, and gates that lead somewhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pipanalysis.study.finding import Finding, one_of
from pipanalysis.study.hypotheses import Hypothesis, members_hypotheses
from pipanalysis.study.plan import FAMILIES
from pipanalysis.study.yaml_file import Location

if TYPE_CHECKING:
    from pipanalysis.study.load import Study
    from pipanalysis.study.plan import Members

FILE = "analysis.yaml"
OF_SEVERAL = ("cace", "dyadic", "reference_based")
"""methods that give several P values for a hypothesis, so that a family would not know which to adjust"""


def check_families(study: Study) -> Iterator[Finding]:
    """Find contradictions in the families of hypotheses."""
    if any(outcome.score not in study.scores for outcome in study.plan.outcomes):
        return  # reported already; the visits of such an outcome are not known
    holder: dict[Hypothesis, str] = {}
    for f, family in enumerate(study.plan.families):
        if not family.members:
            found, allowed = f"{family.name} without members", "an analysis whose hypotheses it holds, at least one"
            yield FILE, ("families", f, "members"), found, allowed, "family-without-members"
        for m, members in enumerate(family.members):
            at: Location = ("families", f, "members", m)
            yield from _members(study, members, at)
            for hypothesis in members_hypotheses(study, members):
                if hypothesis in holder:
                    found = f"{' '.join(hypothesis)} is in the family {holder[hypothesis]} already"
                    yield FILE, at, found, "each hypothesis in one family, once", "hypothesis-in-two-families"
                holder[hypothesis] = family.name
    yield from _gates(study)


def _members(study: Study, members: Members, at: Location) -> Iterator[Finding]:
    tested = {
        a.name: a
        for a in study.plan.analyses
        if a.method not in (*FAMILIES["describe"], *OF_SEVERAL) and not (a.subgroup or a.moderator)
    }
    if members.analysis not in tested:
        yield FILE, (*at, "analysis"), repr(members.analysis), one_of(tested)
        return
    covered = [outcome.name for outcome in study.analysis_outcomes(tested[members.analysis])]
    every = members_hypotheses(study, members.model_copy(update={"visits": "all"}))
    compared = [visit for visit in study.visits if visit in {hypothesis.visit for hypothesis in every}]
    for i, name in enumerate(members.outcomes if members.outcomes != "all" else ()):
        if name not in covered:
            yield FILE, (*at, "outcomes", i), repr(name), one_of(covered)
    for i, name in enumerate(members.visits if members.visits != "all" else ()):
        if name not in compared and every:
            yield FILE, (*at, "visits", i), repr(name), one_of(compared)
    held = {hypothesis.outcome for hypothesis in members_hypotheses(study, members)}
    for i, name in enumerate(members.outcomes if members.outcomes != "all" else ()):
        if name in covered and name not in held:
            yield (
                FILE,
                (*at, "outcomes", i),
                f"{name} at no visit",
                "an outcome compared at one of these visits",
                "family-without-members",
            )
    if members.outcomes == "all" and not held:
        allowed = "outcomes and visits at which the analysis compares arms"
        yield FILE, at, "no hypothesis", allowed, "family-without-members"


def _gates(study: Study) -> Iterator[Finding]:
    families = {family.name: family for family in study.plan.families}
    for f, family in enumerate(study.plan.families):
        at: Location = ("families", f)
        if family.after is None:
            if family.gate == "any":
                yield (
                    FILE,
                    (*at, "gate"),
                    "gate: any without after",
                    "after: the family before it",
                    "gate-leads-nowhere",
                )
            continue
        if family.after not in families:
            others = [name for name in families if name != family.name]
            yield FILE, (*at, "after"), repr(family.after), one_of(others)
            continue
        if family.gate == "any" and families[family.after].method != "bonferroni":
            found = f"gate: any after {family.after}, whose method is {families[family.after].method}"
            allowed = "gate: all, or method: bonferroni in the family before"
            yield FILE, (*at, "gate"), found, allowed, "gate-leads-nowhere"
        path = [family.name]
        while (before := families[path[-1]].after) in families and before not in path:
            path.append(str(before))
        if before == family.name and family.name == min(path, key=list(families).index):
            found = " after ".join([*path, family.name])
            yield FILE, (*at, "after"), found, "an order that begins somewhere", "gate-leads-nowhere"
