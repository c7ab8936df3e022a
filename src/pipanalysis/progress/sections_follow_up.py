"""The page's words on follow-up: assessments, completeness of forms, who stays, ages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipanalysis.progress.ages import ages_at_assessment
from pipanalysis.progress.completeness import completeness
from pipanalysis.progress.page_model import Heat, Section, Table, number_table, percent, several
from pipanalysis.progress.retention import retention, withdrawal_reasons
from pipanalysis.progress.small_counts import hide_small
from pipanalysis.progress.visit_states import STATES, follow_up_rate, state_counts

if TYPE_CHECKING:
    import pandas as pd

    from pipanalysis.progress.data import ProgressData


def visits_section(data: ProgressData) -> tuple[Section, pd.DataFrame]:
    """Return the section on assessments, and the counts of states by visit."""
    study, counts = data.study, state_counts(data)
    unit, rates = study.config.study.unit, follow_up_rate(counts)
    shown = {state: label for state, label in STATES.items() if state != "done_undated" or counts[state].any()}
    if data.enrolled.empty:
        return Section("visits", "Assessments", [f"No {unit} is in the study yet, so no assessment is due."]), counts
    lead = []
    for name, visit in study.visits.items():
        done, decided = int(rates["done"][name]), int(rates["decided"][name])
        if decided:
            lead.append(f"{visit.label}: {done} done of the {decided} that could be by now ({percent(done, decided)}).")
    rows = [
        [study.visits[str(name)].label, *(int(row[s]) for s in shown), int(row.sum())]
        for name, row in counts.iterrows()
    ]
    table = number_table(f"{unit.capitalize()}s by visit and state", ["Visit", *shown.values(), "All"], rows)
    chart = [
        {"v": study.visits[str(name)].label, "s": label, "n": int(row[state]), "o": i}
        for name, row in counts.iterrows()
        for i, (state, label) in enumerate(shown.items())
        if row[state]
    ]
    late = study.progress.follow_up.late_days
    notes = [
        f"Each {unit} is in one state for each visit. Due now: its window is open. Overdue: the window closed in the "
        f"last {late} days; do it all the same, it counts as out of window. Missed: later than that. Withdrawn: left "
        "before the visit was missed."
    ]
    return Section("visits", "Assessments", lead, chart=chart, tables=[table], notes=notes), counts


def completeness_section(data: ProgressData) -> Section | None:
    """Return the section on forms; None where the study has no instrument."""
    study = data.study
    if not study.instruments or not study.visits:
        return None
    table = completeness(data)
    rows, shades = [], {}
    for r in table.to_dict("records"):
        instrument, visit = study.instruments[r["instrument"]].label, study.visits[r["visit"]].label
        share = percent(r["complete"], r["done"])
        rows.append([f"{instrument}, {visit}", r["done"], r["complete"], r["partial"], r["empty"], share])
        shades[r["instrument"], r["visit"]] = float(r["percent"]) if r["done"] else -1.0
    columns = ["Form", "Assessments done", "Complete", "Partly filled", "Not filled", "Complete, %"]
    lead = ["The share of forms with every question answered, of the assessments that were done."]
    title, tables = "Completeness of the forms", [number_table("Forms by instrument and visit", columns, rows)]
    if not table["done"].any():
        return Section("completeness", title, ["No assessment has been done yet."])
    heat = Heat(
        "Complete forms, per cent, by instrument and visit",
        [visit.label for visit in study.visits.values()],
        [(i.label, [shades.get((i.name, visit)) for visit in study.visits]) for i in study.instruments.values()],
    )
    return Section("completeness", title, lead, heat=heat, tables=tables)


def retention_section(data: ProgressData, *, whole: bool) -> Section:
    """Return the section on who stays in the study."""
    study, table, reasons = data.study, retention(data), withdrawal_reasons(data)
    unit, n, gone = study.config.study.unit, len(data.enrolled), sum(reasons.values())
    title = "Staying in the study"
    if not n:
        return Section("retention", title, [f"No {unit} is in the study yet."])
    lead = [f"{several(gone, unit)} of {n:,} withdrew ({percent(gone, n)})."]
    hide = study.progress.small_counts.below if study.progress.small_counts.page and not whole else 1
    shown = hide_small(reasons, hide)
    rows = [[why, "hidden (small)" if count is None else f"{count:,}"] for why, count in shown.items()]
    tables = [Table("Reasons for withdrawal", ["Reason", "Number"], rows, frozenset({1}))] if rows else []
    curve = [
        [f"{r['month']:.1f}", f"{r['share']:.1%}", int(r["at_risk"]), int(r["withdrawn"])]
        for r in table.to_dict("records")
    ]
    columns = ["Months since enrolment", "Still in the study", "Followed so long", "Withdrew then"]
    tables.append(number_table("Share still in the study", columns, curve))
    chart = [
        {"m": round(float(r["month"]), 2), "p": round(100 * float(r["share"]), 2)} for r in table.to_dict("records")
    ]
    notes = ["The curve takes into account that those who came lately have not been followed for long (Kaplan-Meier)."]
    return Section("retention", title, lead, chart=chart, tables=tables, notes=notes)


def ages_section(data: ProgressData) -> Section | None:
    """Return the section on ages; None where the study has no date of birth."""
    study = data.study
    if not any(variable.type == "date_of_birth" for variable in study.config.variables) or not study.visits:
        return None
    table = ages_at_assessment(data)
    title = "Age at assessment"
    if table.empty:
        return Section("ages", title, ["No assessment has been done yet."])
    rows, chart = [], []
    for r in table.to_dict("records"):
        visit = study.visits[str(r["visit"])].label
        low, q1, median, q3, high = (float(v) for v in (r["lowest"], r["q1"], r["median"], r["q3"], r["highest"]))
        rows.append([f"{r['age']}, {visit}", int(r["n"]), *(f"{v:.1f}" for v in (low, q1, median, q3, high))])
        chart.append({"v": visit, "lo": low, "q1": q1, "md": median, "q3": q3, "hi": high, "n": int(r["n"])})
    columns = ["Age in months", "Number", "Youngest", "Lower quarter", "Middle", "Upper quarter", "Oldest"]
    lead = [
        "Months of age on the day of assessment: the box holds the middle half, the line runs from youngest to oldest."
    ]
    return Section("ages", title, lead, chart=chart, tables=[number_table("Ages by visit", columns, rows)])
