"""The checklist of CONSORT 2025 (Hopewell et al. 2025, doi:10.1371/journal.pmed.1004587): where each item is answered.

Items in short, in words of our own. An analysis answers some of them; the others are left to the authors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipanalysis.display.report_model import Grid, Link, anchor, heading

if TYPE_CHECKING:
    from pipanalysis.display.figure_model import FigureModel
    from pipanalysis.display.table_model import TableModel
    from pipanalysis.study.load import Study

AUTHORS = "For the authors"
PARTS = {
    "methods": Link("Methods", "methods"),
    "results": Link("Results in words", "results"),
    "software": Link("Software", "software"),
}
"""sections of the report that answer items"""
OTHERS = "growth margins change imputation cace dyadic bayes_effects posteriors tipping_points"
ITEMS: tuple[tuple[str, str, str], ...] = (
    ("1a", "Named as a randomised trial", ""),
    ("1b", "Structured summary", ""),
    ("2", "Registration", "registration"),
    ("3", "Where protocol and analysis plan are", ""),
    ("4", "Sharing of data, code and materials", "software"),
    ("5a", "Funding", ""),
    ("5b", "Conflicts of interest", ""),
    ("6", "Background and rationale", ""),
    ("7", "Objectives, benefits and harms", ""),
    ("8", "Patient and public involvement", ""),
    ("9", "Design, allocation ratio, framework", "methods"),
    ("10", "Changes after the start, analyses not prespecified", "methods deviations"),
    ("11", "Settings and locations", ""),
    ("12a", "Eligibility of participants", ""),
    ("12b", "Eligibility of sites and providers", ""),
    ("13", "Intervention and comparator", ""),
    ("14", "Prespecified outcomes: measure, summary, time", "methods"),
    ("15", "How harms were defined and assessed", ""),
    ("16a", "Sample size", ""),
    ("16b", "Interim analyses and stopping", ""),
    ("17a", "Who generated the random sequence, and how", ""),
    ("17b", "Type of randomisation, stratification, blocks", "methods"),
    ("18", "Allocation concealment", ""),
    ("19", "Who could know the sequence when enrolling", ""),
    ("20a", "Who was blinded", ""),
    ("20b", "How blinding was achieved", ""),
    ("21a", "Statistical methods for outcomes and harms", "methods"),
    ("21b", "Who is in each analysis, in which arm", "methods"),
    ("21c", "Missing data", "methods completeness missingness imputation tipping_points"),
    ("21d", "Additional analyses, prespecified or post hoc", "methods"),
    ("22a", "Numbers assigned, treated, analysed", "consort flow"),
    ("22b", "Losses and exclusions with reasons", "consort flow protocol_deviations"),
    ("23a", "Dates of recruitment and follow-up", "recruitment"),
    ("23b", "Why the trial ended", ""),
    ("24a", "Intervention as administered, adherence", "harms therapists"),
    ("24b", "Other care during the trial by arm", "service_use"),
    ("25", "Baseline characteristics by arm", "baseline"),
    (
        "26",
        "By outcome and arm: numbers, result, effect, precision",
        "results outcomes effects risks categories counts forest",
    ),
    ("27", "Harms by arm", "harms"),
    ("28", "Other analyses, subgroups, sensitivity", f"subgroups moderators {OTHERS}"),
    ("29", "Interpretation", ""),
    ("30", "Limitations: bias, precision, reach, multiplicity", ""),
)
"""number, what it asks for, and the parts of the report and kinds of display that answer it"""


def consort_checklist(study: Study, displays: list[tuple[str, TableModel | FigureModel]]) -> Grid:
    """Return the checklist with links to where each item is answered.

    Args:
        study: the configuration.
        displays: kind and model of each table and figure of the report; those without results answer nothing.
    """
    rows: list[tuple[str | tuple[Link, ...], ...]] = []
    for number, asked, answers in ITEMS:
        links: list[Link] = []
        for answer in answers.split():
            links += [PARTS[answer]] if answer in PARTS else []
            links += [
                Link(heading(model).partition(". ")[0], anchor(model))
                for kind, model in displays
                if kind == answer and not model.empty
            ]
        where: str | tuple[Link, ...] = tuple(links) if links else AUTHORS
        if answers == "registration":
            where = study.config.study.registration or AUTHORS
        rows.append((number, asked, where))
    return Grid("Checklist of CONSORT 2025", ("Item", "Asks for", "Where"), tuple(rows))
