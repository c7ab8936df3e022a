"""What is unchanged is not rendered again, and what is shown is the same as if it had been."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from display import results as made
from pipanalysis.display import formats, render_cache, step
from pipanalysis.errors import PlanError
from pipanalysis.estimate.analysis_results import as_results
from pipanalysis.files import sha256, write_json, write_parquet
from pipanalysis.study.displays import Displays
from pipanalysis.study.load import Study

TABLES: list[dict[str, Any]] = [
    {"name": "effects", "number": "1", "kind": "effects", "title": "Effects", "analyses": ["primary"]},
    {"name": "others", "number": "2", "kind": "effects", "title": "Others", "analyses": ["ancova"]},
]
FIGURES = [made.figure("forest", "primary"), made.figure("trajectories", "descriptives")]


def with_displays(study: Study, tables: list[dict[str, Any]], figures: list[dict[str, Any]]) -> Study:
    return replace(study, displays=Displays.model_validate({"tables": tables, "figures": figures}))


@pytest.fixture
def study(tmp_path: Path) -> Study:
    chosen = with_displays(made.study(["Depression", "Stress"], [], folder=tmp_path), TABLES, FIGURES)
    write_results(chosen)
    write_json(chosen.layout.allocation_record, {"allocation": "real"})
    return chosen


def write_results(study: Study, size: float | None = None) -> None:
    rows = [*made.effects(study), *made.effects(study, "ancova"), *made.means(study)]
    if size is not None:
        first = next(row for row in rows if row["analysis"] == "ancova" and row["stat_name"] == "effect_size")
        first["stat"] = size
    write_parquet(study.layout.estimates, as_results(rows))


def render(study: Study) -> dict[str, str]:
    """Make every display, and return the checksum of each file of the results."""
    for verb in (step.tables, step.figures, step.report):
        verb(study)
    shown = (path for path in study.layout.results.rglob("*") if path.is_file() and path != study.layout.estimates)
    return {path.relative_to(study.layout.results).as_posix(): sha256(path) for path in shown}


@pytest.fixture
def rendered(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of displays that are rendered from now on, each format of a table by itself."""
    names: list[str] = []

    def told(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(model: Any, *arguments: Any) -> Any:
            names.append(model.name)
            return function(model, *arguments)

        return call

    monkeypatch.setattr(formats, "great_table", told(formats.great_table))
    for name, function in formats.DOCUMENTS.items():
        monkeypatch.setitem(formats.DOCUMENTS, name, told(function))
    monkeypatch.setattr(step, "rendered", told(step.rendered))
    return names


def test_nothing_is_rendered_twice(study: Study, rendered: list[str]) -> None:
    first = render(study)
    once = ["effects"] * 4 + ["others"] * 4 + ["forest", "trajectories"]
    assert sorted(rendered) == sorted(once)  # the report has rendered none of them again
    shutil.rmtree(study.layout.table("", "html").parent)  # as Snakemake does before a step
    assert render(study) == first
    assert sorted(rendered) == sorted(once)
    assert step.tables(study).endswith("; 2 as they were")


def test_a_changed_footnote_renders_what_holds_it(study: Study, rendered: list[str]) -> None:
    before = render(study)
    rendered.clear()
    noted = with_displays(study, [TABLES[0] | {"footnotes": ["Told anew."]}, TABLES[1]], FIGURES)
    after = render(noted)
    assert set(rendered) == {"effects"}
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {
        *(f"tables/effects.{end}" for end in ("html", "docx", "rtf", "tex")),
        "report.html",
        "report.pdf",
    }
    rendered.clear()
    figured = with_displays(noted, [TABLES[0], TABLES[1]], [FIGURES[0] | {"footnotes": ["And here."]}, FIGURES[1]])
    render(figured)
    assert set(rendered) == {"effects", "forest"}


def test_a_changed_number_renders_what_shows_it(study: Study, rendered: list[str]) -> None:
    before = render(study)
    rendered.clear()
    write_results(study, size=0.123)
    after = render(study)
    assert set(rendered) == {"others"}
    changed = {name for name in before if before[name] != after[name]}
    endings = ("html", "docx", "rtf", "tex", "csv")
    assert changed == {*(f"tables/others.{end}" for end in endings), "report.html", "report.pdf"}


def test_the_label_of_an_arm_renders_every_figure_anew(study: Study, rendered: list[str]) -> None:
    render(study)
    rendered.clear()
    arms = [arm.model_copy(update={"label": f"{arm.label} β"}) for arm in study.config.arms or []]
    render(replace(study, config=study.config.model_copy(update={"arms": arms})))
    assert {"forest", "trajectories", "effects", "others"} <= set(rendered)


def test_other_code_or_libraries_render_everything_anew(
    study: Study, rendered: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = render(study)
    kept = {path.name for path in study.layout.rendered.iterdir()}
    rendered.clear()
    monkeypatch.setattr(render_cache, "rendering_code", lambda: "other")
    assert render(study) == first
    assert set(rendered) == {"effects", "others", "forest", "trajectories"}
    left = {path.name for path in study.layout.rendered.iterdir()}
    assert len(left) == len(kept)
    assert not left & kept  # what is not used any more is removed


def test_figures_drawn_in_lots_are_those_drawn_at_once_and_keep_each_other(study: Study, rendered: list[str]) -> None:
    whole = render(study)
    shutil.rmtree(study.layout.rendered)
    assert "1 figures" in step.figures(study, ["forest"])
    step.figures(study, ["trajectories"])
    rendered.clear()
    assert render(study) == whole
    assert not {"forest", "trajectories"} & set(rendered), "neither lot has thrown the other's away"
    with pytest.raises(PlanError, match="'forst'"):
        step.figures(study, ["forst"])


def test_what_a_display_left_is_removed_when_the_study_has_it_no_more(study: Study) -> None:
    render(study)
    assert list(study.layout.rendered.glob("figure-trajectories-*"))
    fewer = with_displays(study, TABLES, FIGURES[:1])
    step.figures(fewer, ["forest"])
    assert not list(study.layout.rendered.glob("figure-trajectories-*"))
    assert list(study.layout.rendered.glob("figure-forest-*"))
