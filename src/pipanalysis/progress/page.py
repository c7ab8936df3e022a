"""The page: one HTML file with everything in it, that fetches nothing."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import pandas as pd

from pipanalysis.progress.charts import LEGENDS, chart_specs
from pipanalysis.progress.outputs import asset
from pipanalysis.progress.page_model import List, Section

WHOLE = "*"
"""the scope of everything; the others are the groups' names"""


@dataclass(frozen=True)
class Page:
    """What the page says.

    Attributes:
        title: of the study.
        subtitle: below it.
        marks: what must be said on its face.
        group_label: what the page is filtered by.
        scopes: `WHOLE` and the groups → label.
        sections: scope → its sections, all scopes with the same ones in the same order where they have them.
        lists: that can be searched and sorted, by the anchor of the section that they follow ("" for the top).
        files: path beside the page → what it is.
    """

    title: str
    subtitle: list[str]
    marks: list[str]
    group_label: str
    scopes: dict[str, str]
    sections: Mapping[str, Sequence[Section]]
    lists: dict[str, List]
    files: dict[str, str]


def render(page: Page) -> str:
    """Return the HTML; every text is escaped, and no script runs but the page's own two."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    whole = page.sections[WHOLE]
    drawn = {s.name for sections in page.sections.values() for s in sections if s.chart}
    rows = {s.name: len({row["v"] for row in s.chart}) for s in whole if s.chart and "v" in s.chart[0]}
    content = {
        "specs": {name: spec for name, spec in chart_specs(rows).items() if name in drawn},
        "charts": {n: {scope: _chart(own, n) for scope, own in page.sections.items()} for n in sorted(drawn)},
        "lists": {one.name: _packed(one) for one in page.lists.values()},
    }
    scripts = [_vega() if drawn else "", asset("page.js")]
    allowed = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'" for s in scripts)
    policy = f"default-src 'none'; script-src {allowed} 'unsafe-eval'; style-src 'unsafe-inline'; img-src data:"
    template = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return template.from_string(asset("page.html")).render(
        page=page,
        whole=whole,
        others={scope: {s.name: s for s in own} for scope, own in page.sections.items() if scope != WHOLE},
        drawn=drawn,
        legends={name: _legend(name, page.sections.values()) for name in LEGENDS},
        policy=policy,
        style=Markup(asset("page.css")),
        scripts=[Markup(script) for script in scripts if script],
        content=Markup(_json(content)),
    )


def _legend(name: str, scopes: Iterable[Sequence[Section]]) -> dict[str, str]:
    """Return the colours of a chart that it shows anything in, for any scope: what they mean → colour."""
    shown = {row["s"] for sections in scopes for row in _chart(sections, name) if row["n"]}
    return {label: colour for label, colour in LEGENDS[name].items() if label in shown}


def _chart(sections: Sequence[Section], name: str) -> list[dict[str, Any]]:
    return next((section.chart for section in sections if section.name == name and section.chart), [])


@cache
def _vega() -> str:
    """Return Vega, Vega-Lite and vega-embed as one script that can stand in a page."""
    import vl_convert

    bundle = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return "(function(){" + bundle.replace("</script", "<\\/script") + "})();"


def _json(content: Any) -> str:
    """Return JSON that can stand in a page whatever its texts hold."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e").replace("\u2028", "\\u2028")


def _packed(one: List) -> dict[str, Any]:
    """Return a list for the script: each column as its values, or, where few differ, as codes of them."""
    shown = [*one.columns, *one.more]
    needed = dict.fromkeys(["group", *shown, *(column for _, column, _ in one.views.values())])
    return {
        "columns": list(one.columns.items()),
        "more": list(one.more.items()),
        "views": [[name, label, column, values] for name, (label, column, values) in one.views.items()],
        "n": len(one.frame),
        "data": {name: _column(one.frame[name]) for name in needed},
    }


def _column(values: pd.Series) -> dict[str, Any]:
    plain = [value if isinstance(value, str) else int(value) for value in values.tolist()]
    levels = list(dict.fromkeys(plain))
    if len(levels) * 3 > len(plain):
        return {"v": plain}
    position = {level: i for i, level in enumerate(levels)}
    return {"l": levels, "c": [position[value] for value in plain]}
