"""The page's words on a study of interviews and focus groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipanalysis.progress.activities import activity_counts, cumulative_by_group, vouchers, without_consent
from pipanalysis.progress.page_model import Section, iso, number_table, percent, several

if TYPE_CHECKING:
    from pipanalysis.progress.data import ProgressData


def activities_section(data: ProgressData, groups: dict[str, str], kinds: dict[str, str]) -> Section | None:
    """Return the section on activities by group; None where the study has none."""
    plan = data.study.progress.activities
    if plan is None or data.activities is None:
        return None
    counts = activity_counts(data, groups, kinds)
    rows, chart, lead = [], [], []
    for c in counts:
        name = f"{groups[c.group]}, {kinds[c.kind].lower()}"
        rows.append([name, c.people, c.target, percent(c.people, c.target) if c.target else None, c.sessions])
        chart.append({"v": name, "n": c.people, "t": c.target})
    wanted = [c for c in counts if c.target is not None]
    if wanted:
        met = sum(c.people >= (c.target or 0) for c in wanted)
        lead.append(f"{met} of {several(len(wanted), 'target')} met.")
    if not data.activities.empty:
        lead.append(f"{several(data.activities['unit'].nunique(), 'person', 'people')} took part so far.")
    else:
        lead.append("Nobody has taken part yet.")
    columns = ["Group and activity", "People", "Target", "Of target", "Sessions held together"]
    tables = [number_table("People who took part, by group and activity", columns, rows, open=True)]
    notes = []
    if plan.together and any((c.largest or 0) > plan.together.most for c in counts):
        notes.append(f"A session had more than the {plan.together.most} people that are allowed.")
    if missing := without_consent(data):
        notes.append(
            f"Not counted: {several(missing, 'activity', 'activities')} of people whose consent is not on record."
        )
    paid = vouchers(data)
    if paid is not None:
        total = paid.issued * paid.value
        lead.append(
            f"Vouchers of {paid.currency}{paid.value:g}: {paid.issued} of {paid.due} issued "
            f"({paid.currency}{total:g} in all); {paid.due - paid.issued} still to issue."
        )
    over_time = cumulative_by_group(data, groups)
    weeks = [[groups[str(r["group"])], iso(r["date"]), int(r["people"])] for r in over_time.to_dict("records")]
    tables.append(number_table("People so far, by group and date", ["Group", "Date", "People"], weeks))
    return Section("activities", "Interviews and focus groups", lead, chart=chart, tables=tables, notes=notes)
