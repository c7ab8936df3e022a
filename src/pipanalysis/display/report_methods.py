"""The methods of the report, written from the configuration and the plan."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipanalysis.display import rounding
from pipanalysis.display.deviations_table import STATUSES, lock_line
from pipanalysis.display.method_sentences import method_sentence
from pipanalysis.display.multiplicity import families_note
from pipanalysis.display.report_model import Block, Items, Paragraph, Subheading
from pipanalysis.display.wording import characteristic_label, estimand_line
from pipanalysis.study.terms import mid_sentence

if TYPE_CHECKING:
    from pipanalysis.study.load import Study
    from pipanalysis.study.plan import Analysis

ROLES = {
    "primary": "Primary analysis",
    "secondary": "Secondary analyses",
    "sensitivity": "Sensitivity analyses",
    "supplementary": "Supplementary analyses",
    "exploratory": "Exploratory analyses",
    "descriptive": "Descriptions",
}
LIKELIHOOD = ("mmrm", "clda", "mixed_model", "growth")
"""methods that use every observed value, of units that miss others too"""


def methods(study: Study) -> list[Block]:
    """Return the paragraphs on design, outcomes, analysis sets, estimands, analyses, missing data and multiplicity."""
    blocks: list[Block] = [Subheading("Design"), Paragraph(_design(study))]
    blocks += [Subheading("Outcomes"), *(Paragraph(line) for line in _outcomes(study))]
    blocks.append(Subheading("Who is analysed"))
    sets = "; ".join(chosen.label for chosen in study.plan.analysis_sets)
    blocks.append(
        Paragraph(
            f"Analysis sets: {sets}. A {study.config.study.unit} is analysed in the arm that it was allocated to."
        )
    )
    if study.plan.estimands:
        blocks.append(Subheading("Estimands"))
        blocks += [Paragraph(estimand_line(study.plan, estimand)) for estimand in study.plan.estimands]
    blocks.append(Subheading("Analyses"))
    level = rounding.level(study.plan.conf_level)
    blocks.append(
        Paragraph(f"Intervals are {level} confidence intervals, P values two-sided, except where another is named.")
    )
    for role, title in ROLES.items():
        chosen = [analysis for analysis in study.plan.analyses if analysis.role == role]
        if chosen:
            blocks += [Paragraph("", lead=f"{title}:"), Items(tuple(_analysis(study, one) for one in chosen))]
    blocks += [Subheading("Missing data"), Paragraph(_missing(study))]
    blocks.append(Subheading("Multiplicity"))
    if study.plan.families:
        blocks.append(Paragraph(families_note(study, study.plan.families)))
    else:
        blocks.append(Paragraph("The plan has no families of hypotheses: P values are not adjusted for multiplicity."))
    return [*blocks, Subheading("Changes to the plan"), Paragraph(_changes(study))]


def _analysis(study: Study, chosen: Analysis) -> Paragraph:
    """Return what an analysis does; its label, which the sentence begins with, stands out."""
    said = method_sentence(study, chosen.name).removeprefix(chosen.label)
    mark = said[0] if said[0] in ":,;" else ""
    return Paragraph(said.removeprefix(mark).lstrip(), lead=chosen.label + mark)


def _design(study: Study) -> str:
    config = study.config
    names = [*list(study.arms)[1:], study.reference_arm.name]
    arms = " versus ".join(study.arms[name].label for name in names)
    ratio = ":".join(str(config.randomisation.ratio.get(name, 1)) for name in names)
    strata = ", ".join(mid_sentence(characteristic_label(study, name)) for name in config.randomisation.strata)
    visits = ", ".join(visit.label for visit in study.visits.values())
    said = (
        f"A randomised trial of {arms} in parallel arms; the unit of randomisation is the {config.study.unit}, the "
        f"ratio {ratio}"
    )
    said += f", stratified by {strata}" if strata else ""
    said += f", in blocks of {config.randomisation.block_size}" if config.randomisation.block_size else ""
    said += f". Assessments: {visits}."
    if config.study.units_expected:
        said += f" It set out to randomise {config.study.units_expected} {config.study.unit}s."
    return f"{said} {_framework(study)}"


def _framework(study: Study) -> str:
    """Return what differences between arms are held against: none (superiority), or a margin."""
    held: dict[str, dict[str, None]] = {}
    for analysis in study.plan.analyses:
        for margin in analysis.margins:
            held.setdefault(margin.kind.replace("_", "-"), {})[study.outcomes[margin.outcome].label] = None
    also = "".join(f"; {', '.join(labels)} for {kind} too" for kind, labels in held.items())
    return f"Differences between arms are tested for superiority{also}."


def _outcomes(study: Study) -> list[str]:
    lines = []
    for role, title in (("primary", "Primary"), ("secondary", "Secondary"), ("exploratory", "Exploratory")):
        by_domain = []
        for domain in study.plan.domains:
            own = [o.label for o in study.plan.outcomes if o.domain == domain.name and o.role == role]
            if own:
                by_domain.append(f"{domain.label}: {', '.join(own)}")
        if by_domain:
            lines.append(f"{title}. {'; '.join(by_domain)}.")
    return lines


def _missing(study: Study) -> str:
    methods_used = {analysis.method for analysis in study.plan.analyses}
    said = []
    if methods_used & set(LIKELIHOOD):
        said.append(
            "Mixed models use every observed value by maximum likelihood, restricted or not: they are valid where "
            "values are missing at random given what is in the model."
        )
    if methods_used & {"ancova", "logistic", "effect_size"}:
        said.append(f"Analyses of one visit at a time use the {study.config.study.unit}s with a value at that visit.")
    for analysis in study.plan.analyses:
        if analysis.method == "reference_based":
            said.append(
                f"{analysis.label}: the arms are compared too with the missing values of those who dropped out imputed "
                "by what each of its strategies assumes of them"
                + (f", {analysis.imputations:,} times at random." if analysis.imputations else ", by their means.")
            )
        for adjustment in analysis.delta_adjustments:
            low, high = rounding.fixed(adjustment.deltas[0], 1), rounding.fixed(adjustment.deltas[-1], 1)
            said.append(
                f"Should values of {study.outcomes[adjustment.outcome].label} not be missing at random, the difference "
                f"between arms ({mid_sentence(analysis.label)}) is given with the mean of each arm's missing values "
                f"shifted by {low} to {high} in units of the outcome."
            )
    if "completeness" in methods_used:
        said.append("How much is missing, and in which patterns, is shown by arm.")
    return " ".join(said) or "No analysis of the plan has a rule for missing values."


def _changes(study: Study) -> str:
    """Return which analyses are not as the plan's lock has them; without a lock, what the plan itself calls them."""
    labels = {analysis.name: analysis.label for analysis in study.plan.analyses}
    found: dict[str, list[str]] = {}
    for name, status in study.statuses.items():
        if status.status != "prespecified":
            found.setdefault(status.status, []).append(labels.get(name, name))
    listed = [f"{STATUSES[status]}: {'; '.join(names)}." for status, names in found.items()]
    if not listed:
        listed = [
            "The plan itself calls every analysis prespecified." if study.lock is None else "No analysis differs."
        ]
    return " ".join([lock_line(study), *listed])
