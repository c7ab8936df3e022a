"""The verbs `tables` and `figures`: all that displays.yaml asks for, from the collected results alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from pipanalysis.display.abbreviations import add_to_figure, add_to_table
from pipanalysis.display.bayes_checks_table import bayes_checks_table
from pipanalysis.display.bayes_effects_table import bayes_effects_table
from pipanalysis.display.cace_table import cace_table
from pipanalysis.display.categories_table import categories_table
from pipanalysis.display.change_table import change_table
from pipanalysis.display.checks_table import checks_table
from pipanalysis.display.completeness_table import completeness_table
from pipanalysis.display.consort_figure import consort_figure
from pipanalysis.display.counts_table import counts_table
from pipanalysis.display.describe_tables import baseline_table, outcomes_table
from pipanalysis.display.deviations_table import deviations_table
from pipanalysis.display.diagnostics_table import diagnostics_table
from pipanalysis.display.double_programming_table import double_programming_table
from pipanalysis.display.dyadic_table import dyadic_table
from pipanalysis.display.effects_table import effects_table
from pipanalysis.display.figure_files import rendered, write_figure
from pipanalysis.display.flow_table import flow_table
from pipanalysis.display.forest_figure import forest_figure
from pipanalysis.display.formats import table_html, write_table
from pipanalysis.display.growth_table import growth_table
from pipanalysis.display.harms_table import harms_table
from pipanalysis.display.imputation_table import imputation_table
from pipanalysis.display.margins_table import margins_table
from pipanalysis.display.measurement_table import measurement_table
from pipanalysis.display.merged_notes import merge_notes
from pipanalysis.display.missingness_figure import missingness_figure
from pipanalysis.display.moderators_table import moderators_table
from pipanalysis.display.posteriors_figure import posteriors_figure
from pipanalysis.display.prior_posterior_figure import prior_posterior_figure
from pipanalysis.display.protocol_deviations_table import protocol_deviations_table
from pipanalysis.display.recruitment_figure import recruitment_figure
from pipanalysis.display.render_cache import RenderCache
from pipanalysis.display.residuals_figure import residuals_figure
from pipanalysis.display.results_index import ResultsIndex
from pipanalysis.display.risks_table import risks_table
from pipanalysis.display.scale_location_figure import scale_location_figure
from pipanalysis.display.service_table import service_table
from pipanalysis.display.subgroups_table import subgroups_table
from pipanalysis.display.table_model import TableModel
from pipanalysis.display.therapists_table import therapists_table
from pipanalysis.display.tipping_points_figure import tipping_points_figure
from pipanalysis.display.trajectories_figure import trajectories_figure
from pipanalysis.display.wording import outcome_label
from pipanalysis.errors import DataError, PlanError, Problem
from pipanalysis.estimate.analysis_results import checked
from pipanalysis.files import read_parquet, write_bytes, write_text

if TYPE_CHECKING:
    from pipanalysis.display.figure_model import FigureModel
    from pipanalysis.study.displays import Table
    from pipanalysis.study.figures import Figure
    from pipanalysis.study.load import Study

LAYOUTS: dict[str, Callable[[Study, Table, ResultsIndex, dict[str, Any]], TableModel]] = {
    "baseline": baseline_table,
    "outcomes": outcomes_table,
    "effects": effects_table,
    "subgroups": subgroups_table,
    "harms": harms_table,
    "service_use": service_table,
    "measurement": measurement_table,
    "change": change_table,
    "risks": risks_table,
    "categories": categories_table,
    "counts": counts_table,
    "margins": margins_table,
    "growth": growth_table,
    "bayes_effects": bayes_effects_table,
    "bayes_checks": bayes_checks_table,
    "therapists": therapists_table,
    "cace": cace_table,
    "imputation": imputation_table,
    "moderators": moderators_table,
    "dyadic": dyadic_table,
    "checks": checks_table,
    "deviations": deviations_table,
    "flow": flow_table,
    "completeness": completeness_table,
    "protocol_deviations": protocol_deviations_table,
    "diagnostics": diagnostics_table,
    "double_programming": double_programming_table,
}

DRAWINGS: dict[str, Callable[[Study, Figure, ResultsIndex, dict[str, Any]], FigureModel]] = {
    "consort": consort_figure,
    "trajectories": trajectories_figure,
    "forest": forest_figure,
    "missingness": missingness_figure,
    "recruitment": recruitment_figure,
    "residuals": residuals_figure,
    "scale_location": scale_location_figure,
    "posteriors": posteriors_figure,
    "prior_posterior": prior_posterior_figure,
    "tipping_points": tipping_points_figure,
}


def tables(study: Study) -> str:
    """Render every table of displays.yaml, or take what was rendered before where nothing of it changed.

    Returns:
        What was done, in a line.

    Raises:
        DataError: the collected results or the record of the allocation are missing or damaged.
    """
    results, allocation = read_results(study)
    cache = RenderCache(study.layout)
    for table in study.displays.tables:
        model = table_model(study, table, results, allocation)
        write_table(study.layout, model, list(study.displays.formats), cache)
    cache.forget("table", study.displays.tables)
    folder = study.layout.table("", "html").parent.relative_to(study.layout.root)
    kinds = ", ".join([*study.displays.formats, "csv"])
    return f"{len(study.displays.tables)} tables as {kinds} ({folder}){cache.summary()}"


def table_model(study: Study, table: Table, results: ResultsIndex, allocation: dict[str, Any]) -> TableModel:
    """Lay out a table of displays.yaml."""
    model = LAYOUTS[table.kind](study, table, results, allocation)
    names = {label: o.label for o in study.plan.outcomes for label in (o.label, outcome_label(study, o))}
    merge_notes(model, names | {visit.label: visit.label for visit in study.visits.values()})
    add_to_table(study, model)
    return model


def figure_model(study: Study, figure: Figure, results: ResultsIndex, allocation: dict[str, Any]) -> FigureModel:
    """Lay out a figure of displays.yaml."""
    model = DRAWINGS[figure.kind](study, figure, results, allocation)
    add_to_figure(study, model)
    return model


def figures(study: Study, names: list[str] | None = None) -> str:
    """Render figures of displays.yaml, or take what was rendered before where nothing of it changed.

    Args:
        study: the configuration.
        names: of the figures; by default all.

    Returns:
        What was done, in a line.

    Raises:
        PlanError: there is no figure of a name.
        DataError: the collected results or the record of the allocation are missing or damaged.
    """
    results, allocation = read_results(study)
    cache = RenderCache(study.layout)
    without = []
    known = [figure.name for figure in study.displays.figures]
    if unknown := [name for name in names or [] if name not in known]:
        raise PlanError(Problem("figures", ", ".join(map(repr, unknown)), ", ".join(known)))
    chosen = [figure for figure in study.displays.figures if not names or figure.name in names]
    for figure in chosen:
        model = figure_model(study, figure, results, allocation)
        write_figure(study.layout, model, _figure_files(study, model, list(study.displays.figure_formats), cache))
        without += [figure.name] if model.empty else []
    cache.forget("figure", study.displays.figures)
    kinds = ", ".join(study.displays.figure_endings())
    folder = study.layout.figure("", "svg").parent.relative_to(study.layout.root)
    done = f"{len(chosen)} figures as {kinds} ({folder}){cache.summary()}"
    return done + (f"; no results for: {', '.join(without)}" if without else "")


def report(study: Study) -> str:
    """Put the report together from every table and figure of displays.yaml.

    Returns:
        What was done, in a line.

    Raises:
        DataError: the collected results or the record of the allocation are missing or damaged.
    """
    from concurrent.futures import ThreadPoolExecutor

    from pipanalysis.display.report import report as put_together
    from pipanalysis.display.report_html import report_html
    from pipanalysis.display.report_model import Rendered
    from pipanalysis.display.report_pdf import report_pdf

    results, allocation = read_results(study)
    cache = RenderCache(study.layout)
    shown = [(table.kind, table_model(study, table, results, allocation)) for table in study.displays.tables]
    drawn = [(figure.kind, figure_model(study, figure, results, allocation)) for figure in study.displays.figures]
    ready = Rendered(
        {model.name: _figure_files(study, model, ["svg"], cache)["svg"] for _, model in drawn if not model.empty},
        {model.name: table_html(model, cache) for _, model in shown if not model.empty},
    )
    made = put_together(study, results, allocation, shown, drawn, ready)
    formats = study.displays.report_formats
    # Typst sets the PDF outside of Python, so that the page is put together meanwhile.
    with ThreadPoolExecutor(1) as beside:
        pdf = beside.submit(report_pdf, made) if "pdf" in formats else None
        if "html" in formats:
            write_text(study.layout.report("html"), report_html(made))
        if pdf:
            write_bytes(study.layout.report("pdf"), pdf.result())
    folder = study.layout.report("html").parent.relative_to(study.layout.root)
    return f"{len(made.displays)} tables and figures in one report, as {', '.join(formats)} ({folder})"


def _figure_files(study: Study, model: FigureModel, formats: list[str], cache: RenderCache) -> dict[str, bytes]:
    """Return a figure's files by format; labels, arms and visits are drawn from the configuration."""
    said = {field.name: getattr(model, field.name) for field in fields(model) if field.name != "draw"}
    content = [said, *(part.model_dump(mode="json") for part in (study.config, study.plan, study.displays.digits))]
    content += [{name: part.model_dump(mode="json") for name, part in study.instruments.items()}]
    return cache.files(f"figure-{model.name}", content, formats, lambda asked: rendered(model, asked))


def read_results(study: Study) -> tuple[ResultsIndex, dict[str, Any]]:
    """Return the collected results and the record of the allocation.

    Raises:
        DataError: either is missing or damaged.
    """
    return ResultsIndex(checked(read_parquet(study.layout.estimates), study.layout.estimates.name)), _allocation(study)


def _allocation(study: Study) -> dict[str, Any]:
    path = study.layout.allocation_record
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(Problem(str(path), f"cannot be read: {error}", "the record that `allocate` writes")) from None
    return record
