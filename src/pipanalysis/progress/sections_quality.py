"""The page's words on the quality of the data: queries, second coding, pooled outcomes and the sample size."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipanalysis.progress.blinded import pooled_summaries, sample_size_review
from pipanalysis.progress.double_coding import coder_agreement, coding_progress
from pipanalysis.progress.page_model import Section, number_table
from pipanalysis.progress.query_log import OPEN, SEVERITIES, open_queries
from pipanalysis.study.terms import at_visit

if TYPE_CHECKING:
    import pandas as pd

    from pipanalysis.progress.data import ProgressData

AGES = ((0, 6, "under a week"), (7, 27, "1 to 4 weeks"), (28, 10**6, "4 weeks and more"))


def queries_section(log: pd.DataFrame, *, compared: bool) -> Section:
    """Return the counts of data queries of a site or of all.

    Args:
        log: rows of `query_log`.
        compared: there is an earlier page to compare with.
    """
    waiting = open_queries(log)
    rows = []
    for severity in (*SEVERITIES, "all"):
        own = waiting if severity == "all" else waiting[waiting["severity"] == severity]
        ages = [int(own["age_days"].between(low, high).sum()) for low, high, _ in AGES]
        rows.append([severity.capitalize(), *ages, len(own)])
    columns = ["Severity", *(label for *_, label in AGES), "Open"]
    table = number_table("Open queries by severity and by how long they have been open", columns, rows, open=True)
    lead = [f"{len(waiting)} open."]
    if compared:
        new = int(((log["since_last"] == "new") & log["state"].isin(OPEN)).sum())
        resolved = int((log["since_last"] == "resolved").sum())
        still = int(((log["since_last"] == "still") & log["state"].isin(OPEN)).sum())
        lead = [
            f"{len(waiting)} open: {new} new since the last page, {still} open since before. {resolved} resolved since."
        ]
    confirmed = int((log["state"] == "confirmed").sum())
    if confirmed:
        lead.append(f"{confirmed} confirmed as correct.")
    notes = ["Error: a value or a row was set aside. Warning: it was read, but ask. Info: worth knowing."]
    return Section("query-counts", "Data queries", lead, tables=[table], notes=notes)


def coding_section(data: ProgressData, *, whole: bool) -> Section | None:
    """Return the section on second coding; None where none is planned."""
    study, coded = data.study, coding_progress(data)
    if not coded:
        return None
    rows = [
        [study.instruments[c.instrument].label, c.done, c.wanted, c.coded, max(c.wanted - c.coded, 0)] for c in coded
    ]
    columns = ["Instrument", "Forms done", "To be coded twice", "Coded twice", "Still to code"]
    tables = [number_table("Second coding by instrument", columns, rows, open=True)]
    lead = [
        f"{study.instruments[c.instrument].label}: {c.coded} coded twice; the plan asks for {c.wanted} so far."
        for c in coded
        if c.wanted
    ] or ["There is nothing to code yet."]
    notes = []
    if whole:
        agreement = []
        for a in coder_agreement(data):
            value = a.reason if a.value is None else f"{a.value:.2f}"
            limits = f"{a.low:.2f} to {a.high:.2f}" if a.low is not None and a.high is not None else None
            agreement.append([study.scores[a.score].label, a.pairs, a.measure, value, limits])
        columns = ["Score", "Forms coded twice", "Measure", "Agreement", "95% limits"]
        tables.append(number_table("Agreement so far", columns, agreement, open=True))
        notes = ["Agreement: 1 is perfect, 0 no better than chance. Coders see no arm, and neither does this page."]
    return Section("coding", "Second coding", lead, tables=tables, notes=notes)


def pooled_section(data: ProgressData) -> Section | None:
    """Return the section on outcomes over all arms together; None where the plan does not allow it."""
    study, table = data.study, pooled_summaries(data)
    if table.empty:
        return None
    rows = []
    for r in table.to_dict("records"):
        name = f"{study.scores[str(r['score'])].label}, {study.visits[str(r['visit'])].label}"
        shown = (
            [f"{float(r['mean']):.1f}", f"{float(r['sd']):.1f}"] if r["mean"] == r["mean"] else ["too few", "too few"]
        )
        rows.append([name, int(r["n"]), *shown])
    smallest = study.progress.blinded_summaries.smallest
    lead = ["Everybody together, whatever their arm, as the plan allows."]
    columns = ["Score", "Number", "Mean", "Standard deviation"]
    tables = [number_table("Outcomes of all arms together", columns, rows, open=True)]
    return Section(
        "pooled",
        "Outcomes, all arms together",
        lead,
        tables=tables,
        notes=[f"Not shown for fewer than {smallest} values."],
    )


def sample_size_section(data: ProgressData) -> Section | None:
    """Return the section on the sample size; None where the plan has no review of it."""
    study, plan = data.study, data.study.progress.sample_size
    found = sample_size_review(data)
    if plan is None or found is None:
        return None
    what = f"{study.scores[plan.score].label} {at_visit(study.visits[plan.visit].label)}"
    title = "Is the sample large enough?"
    basis = (
        f"A difference of {plan.difference:g} in {what}, power {plan.power:.0%}, two-sided level {plan.alpha:.0%}, "
        f"{plan.attrition:.0%} lost, correlation with baseline {plan.baseline_correlation:g}."
    )
    if found.pooled_sd is None or found.by_pooled is None:
        few = f"Too early to say: {found.n} of the {found.smallest} values that it takes."
        return Section("sample-size", title, [few], notes=[basis])
    lead = [
        f"The plan assumed a standard deviation of {plan.sd:g}, and so {found.planned} {study.config.study.unit}s. "
        f"So far it is {found.pooled_sd:.1f} ({found.n} values), which asks for {found.by_pooled}."
    ]
    rows = [
        ["As planned", f"{plan.sd:.2f}", found.planned],
        ["So far, everybody together", f"{found.pooled_sd:.2f}", found.by_pooled],
    ]
    adjusted = None if found.adjusted_sd is None else f"{found.adjusted_sd:.2f}"
    rows.append(["So far, if arms differ as planned", adjusted, found.by_adjusted])
    table = number_table(
        "Sample size by standard deviation", ["", "Standard deviation", "Sample size"], rows, open=True
    )
    notes = [
        basis,
        "Computed without the arms. Whether to change the sample size is for the steering committee to decide.",
    ]
    return Section("sample-size", title, lead, tables=[table], notes=notes)
