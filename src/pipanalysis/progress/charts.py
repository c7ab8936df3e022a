"""The charts, as Vega-Lite by Altair: each reads its rows from a named data set, which the page changes with the site.

Dates are drawn in UTC, since a day has no time zone; colours can be told apart by the colour-blind.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

BLUE, SKY, ORANGE, RED, GREY, PALE, GREEN = "#0b4f8a", "#7fb3dc", "#e08a00", "#b02318", "#6b7785", "#dde3e9", "#3c8d5a"
STATE_COLOURS = {
    "Done in window": BLUE,
    "Done out of window": SKY,
    "Done, date or window not known": "#b9a7d6",
    "Due now": "#f2cf4a",
    "Overdue": ORANGE,
    "Missed": RED,
    "Withdrawn": GREY,
    "Not yet due": PALE,
}
CONFIG: dict[str, Any] = {
    "aria": False,
    "background": "transparent",
    "font": "system-ui, sans-serif",
    "axis": {"labelFontSize": 13, "titleFontSize": 13, "titleFontWeight": "normal", "gridColor": "#e6eaee"},
    "view": {"stroke": None},
}


ROW_HEIGHT = {"visits": 44, "ages": 44, "activities": 38}
"""section → height of a row, of charts with a row for each value of their vertical axis"""


LEGENDS = {"recruitment": {"So far": BLUE, "Plan": GREY, "Forecast": ORANGE}, "visits": STATE_COLOURS}
"""section → what each colour of its chart means: words of the page, which wrap as a chart's own legend does not"""


def chart_specs(rows: Mapping[str, int]) -> dict[str, dict[str, Any]]:
    """Return section → Vega-Lite specification, without data.

    Args:
        rows: section → values of its chart's vertical axis, for those of ``ROW_HEIGHT``.
    """
    charts = {
        "recruitment": _recruitment(),
        "visits": _visits(),
        "retention": _retention(),
        "ages": _ages(),
        "activities": _activities(),
    }
    specs = {}
    for name, chart in charts.items():
        chart = chart.properties(width="container")
        if name in ROW_HEIGHT:
            chart = chart.properties(height=ROW_HEIGHT[name] * max(rows.get(name, 1), 1))
        specs[name] = {**chart.configure(**CONFIG).to_dict(), "data": {"name": "rows"}}
        specs[name].pop("usermeta", None)
    return specs


def _data() -> Any:
    import altair as alt

    return alt.NamedData(name="rows")


def _colour(section: str) -> Any:
    import altair as alt

    legend = LEGENDS[section]
    return alt.Color("s:N", scale=alt.Scale(domain=list(legend), range=list(legend.values())), legend=None)


def _recruitment() -> Any:
    import altair as alt

    x = alt.X(
        "d:T", title=None, scale=alt.Scale(type="utc"), axis=alt.Axis(format="%b %Y", labelOverlap=True, tickCount=8)
    )
    base = alt.Chart(_data()).encode(x=x)
    colour = _colour("recruitment")
    tip = [alt.Tooltip("s:N", title="Which"), alt.Tooltip("d:N", title="Date"), alt.Tooltip("n:Q", title="Number")]
    band = base.transform_filter("datum.s == 'Forecast'").mark_area(opacity=0.25, color=ORANGE)
    band = band.encode(y=alt.Y("lo:Q", title="Number so far"), y2="hi:Q")
    plan = (
        base.transform_filter("datum.s == 'Plan'")
        .mark_line(strokeDash=[6, 4])
        .encode(y="n:Q", color=colour, tooltip=tip)
    )
    ahead = base.transform_filter("datum.s == 'Forecast'").mark_line().encode(y="n:Q", color=colour, tooltip=tip)
    so_far = base.transform_filter("datum.s == 'So far'").mark_line(interpolate="step-after", strokeWidth=3)
    so_far = so_far.encode(y="n:Q", color=colour, tooltip=tip)
    return alt.layer(band, plan, ahead, so_far).properties(height=300)


def _visits() -> Any:
    import altair as alt

    return (
        alt.Chart(_data())
        .mark_bar(stroke="white", strokeWidth=1)
        .encode(
            y=alt.Y("v:N", title=None, sort=None, axis=alt.Axis(labelLimit=140)),
            x=alt.X("n:Q", title="Number", axis=alt.Axis(tickMinStep=1, tickCount=10)),
            color=_colour("visits"),
            order=alt.Order("o:Q"),
            tooltip=[
                alt.Tooltip("v:N", title="Visit"),
                alt.Tooltip("s:N", title="State"),
                alt.Tooltip("n:Q", title="Number"),
            ],
        )
    )


def _retention() -> Any:
    import altair as alt

    return (
        alt.Chart(_data())
        .mark_line(interpolate="step-after", strokeWidth=3, color=BLUE)
        .encode(
            x=alt.X("m:Q", title="Months since enrolment", axis=alt.Axis(tickMinStep=1)),
            y=alt.Y("p:Q", title="Still in the study, %", scale=alt.Scale(domain=[0, 100])),
            tooltip=[
                alt.Tooltip("m:Q", title="Months", format=".1f"),
                alt.Tooltip("p:Q", title="Per cent", format=".1f"),
            ],
        )
        .properties(height=220)
    )


def _ages() -> Any:
    import altair as alt

    tip = [
        alt.Tooltip("v:N", title="Visit"),
        alt.Tooltip("n:Q", title="Number"),
        alt.Tooltip("lo:Q", title="Youngest"),
        alt.Tooltip("md:Q", title="Middle"),
        alt.Tooltip("hi:Q", title="Oldest"),
    ]
    base = alt.Chart(_data()).encode(y=alt.Y("v:N", title=None, sort=None, axis=alt.Axis(labelLimit=140)), tooltip=tip)
    line = base.mark_rule(color=GREY, strokeWidth=2).encode(x=alt.X("lo:Q", title="Months of age"), x2="hi:Q")
    box = base.mark_bar(color=SKY, height=18).encode(x="q1:Q", x2="q3:Q")
    middle = base.mark_tick(color=BLUE, thickness=3, height=24).encode(x="md:Q")
    return alt.layer(line, box, middle)


def _activities() -> Any:
    import altair as alt

    tip = [alt.Tooltip("v:N", title="Who"), alt.Tooltip("n:Q", title="People"), alt.Tooltip("t:Q", title="Target")]
    base = alt.Chart(_data()).encode(y=alt.Y("v:N", title=None, sort=None, axis=alt.Axis(labelLimit=300)), tooltip=tip)
    done = base.mark_bar(color=BLUE, height=20).encode(x=alt.X("n:Q", title="People", axis=alt.Axis(tickMinStep=1)))
    wanted = base.transform_filter("datum.t != null").mark_tick(color=ORANGE, thickness=4, height=28).encode(x="t:Q")
    return alt.layer(done, wanted)
