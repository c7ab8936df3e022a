"""Checks of options of single analyses: re-randomisation, clusters, checks of assumptions, double programming."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pipanalysis.study.finding import Finding, one_of, repeated
from pipanalysis.study.plan import FEWEST_IN_A_COURSE
from pipanalysis.study.yaml_file import Location

if TYPE_CHECKING:
    from pipanalysis.study.load import Study
    from pipanalysis.study.plan import Analysis


def check_options(study: Study) -> Iterator[Finding]:
    """Find options that an analysis's method does not have, or that lack what they need."""
    yield from _rerandomised(study)
    yield from _clusters(study)
    yield from _checks(study)
    yield from _courses(study)
    yield from _repeated(study)


def _rerandomised(study: Study) -> Iterator[Finding]:
    """Find re-randomisation tests that would not keep to the strata of the randomisation."""
    for i, analysis in enumerate(study.plan.analyses):
        if analysis.method == "rerandomisation" and not analysis.strata and study.config.randomisation.strata:
            found = f"rerandomisation in a trial stratified by {', '.join(study.config.randomisation.strata)}"
            yield (
                "analysis.yaml",
                ("analyses", i, "strata"),
                f"strata: false, {found}",
                "strata: true",
                "option-unsuited",
            )


def _clusters(study: Study) -> Iterator[Finding]:
    """Find clusters that no standard error asks for, standard errors without them, and clusters of no use."""
    file = "analysis.yaml"
    for i, analysis in enumerate(study.plan.analyses):
        at: Location = ("analyses", i, "cluster")
        asked = analysis.method == "ancova" and analysis.standard_error == "cluster"
        if analysis.cluster is None and analysis.standard_error == "cluster":
            yield file, at[:2], "standard_error: cluster without cluster", "cluster: a variable", "option-unsuited"
        if analysis.cluster is None:
            continue
        if not asked:
            found = f"cluster of method {analysis.method}, standard_error {analysis.standard_error}"
            yield file, at, found, "method: ancova, standard_error: cluster", "option-unsuited"
        named = [v for v in study.config.variables if v.type in ("category", "text") and v.level == "participant"]
        known = [v.name for v in named if v.measured == "before_randomisation" and not v.closed]
        if analysis.cluster not in study.variables:
            yield file, at, repr(analysis.cluster), one_of(known)
        elif analysis.cluster not in known:
            allowed = "a participant-level category or text known before randomisation"
            yield file, at, repr(analysis.cluster), allowed, "cluster-after-randomisation"


def _checks(study: Study) -> Iterator[Finding]:
    """Find checks of assumptions that no model makes, and tables that show checks where there are none."""
    checked = {analysis.name for analysis in study.plan.analyses if analysis.checks}
    for i, analysis in enumerate(study.plan.analyses):
        if analysis.checks and (analysis.method != "mmrm" or analysis.subgroup):
            found = f"checks of method {analysis.method}" + ", by subgroup" * bool(analysis.subgroup)
            yield "analysis.yaml", ("analyses", i, "checks"), found, "method: mmrm without subgroup", "option-unsuited"
    known = {analysis.name for analysis in study.plan.analyses}
    for t, table in enumerate(study.displays.tables):
        for name in table.analyses if table.kind == "checks" else []:
            if name in known - checked:
                at: Location = ("tables", t, "analyses")
                yield "displays.yaml", at, f"{name} in a table of checks", "analyses with checks", "display-unsuited"


def _courses(study: Study) -> Iterator[Finding]:
    """Find courses of fewer units than the study lets a count show, and those of single units of confidential data."""
    least = study.displays.disclosure.min_cell
    about = study.config.study
    public = about.data == "synthetic" or (about.data == "real" and about.published is not None)
    allowed = f"{max(least, FEWEST_IN_A_COURSE)} or more, or no courses"
    for i, analysis in enumerate(study.plan.analyses):
        at: Location = ("analyses", i, "courses")
        if analysis.courses == "single":
            if not public:
                found = f"courses: single, where study.data is {about.data}"
                only = "single only where it is synthetic, or study.published names published data"
                yield "analysis.yaml", at, found, f"{allowed}; {only}", "option-unsuited"
        elif analysis.courses is not None and analysis.courses < least:
            found = f"courses: {analysis.courses}, below disclosure.min_cell ({least}) of displays.yaml"
            yield "analysis.yaml", at, found, allowed, "option-unsuited"


def _repeated(study: Study) -> Iterator[Finding]:
    """Find analyses to be computed a second time that are not there, are there twice, or that nothing can repeat."""
    named = {analysis.name: analysis for analysis in study.plan.analyses}
    for i, analysis in enumerate(study.plan.analyses):
        at: Location = ("analyses", i, "analyses")
        if analysis.method != "double_programming":
            if analysis.analyses:
                found = f"analyses of method {analysis.method}"
                yield "analysis.yaml", at, found, "method: double_programming, or no analyses", "option-unsuited"
            continue
        if not analysis.analyses:
            yield "analysis.yaml", at[:2], "double_programming of nothing", "analyses: at least one", "option-unsuited"
        for j, name in repeated(analysis.analyses):
            yield "analysis.yaml", (*at, j), f"{name} twice", "each analysis once", "repeated-name"
        for j, name in enumerate(analysis.analyses):
            if name not in named:
                yield "analysis.yaml", (*at, j), repr(name), one_of(named)
            elif wrong := _beyond_the_second_program(named[name]):
                allowed = "mmrm (us, kenward-roger, no subgroup or moderator), ancova (no clusters), logistic, nominal"
                yield "analysis.yaml", (*at, j), f"{name}: {wrong}", allowed, "option-unsuited"


def _beyond_the_second_program(analysis: Analysis) -> str:
    """Return why the second program cannot repeat an analysis, "" where it can."""
    if analysis.method not in ("mmrm", "ancova", "logistic", "nominal"):
        return f"method {analysis.method}"
    if analysis.subgroup or analysis.moderator:
        return "by subgroup or moderator"
    if analysis.method == "mmrm" and (analysis.covariance != "us" or not analysis.df.startswith("kenward-roger")):
        return f"covariance {analysis.covariance}, df {analysis.df}"
    return "standard errors robust to clusters" if analysis.standard_error == "cluster" else ""
