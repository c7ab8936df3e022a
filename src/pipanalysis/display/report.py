"""The report put together: methods, results in words, every figure and table, software, CONSORT checklist."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from pipanalysis.display.consort_checklist import consort_checklist
from pipanalysis.display.report_methods import methods
from pipanalysis.display.report_model import Grid, Paragraph, Rendered, Report, Section
from pipanalysis.display.report_results import results_in_words
from pipanalysis.display.wording import marks

if TYPE_CHECKING:
    from pipanalysis.display.figure_model import FigureModel
    from pipanalysis.display.results_index import ResultsIndex
    from pipanalysis.display.table_model import TableModel
    from pipanalysis.study.load import Study

PACKAGES = ("pipanalysis", "numpy", "pandas", "scipy", "statsmodels", "pingouin", "pymc", "great-tables", "matplotlib")
"""whose versions the numbers and displays rest on"""


def report(
    study: Study,
    results: ResultsIndex,
    allocation: dict[str, Any],
    tables: Sequence[tuple[str, TableModel]],
    figures: Sequence[tuple[str, FigureModel]],
    rendered: Rendered,
) -> Report:
    """Put the report together.

    Args:
        study: the configuration.
        results: the collected results.
        allocation: the record that `allocate` wrote.
        tables: kind and model of each table.
        figures: kind and model of each figure.
        rendered: the figures as SVG and the tables as HTML.
    """
    about = study.config.study
    sections = [
        Section("methods", "Methods", methods(study)),
        Section("results", "Results in words", results_in_words(study, results)),
    ]
    if figures:
        sections.append(Section("figures", "Figures", [model for _, model in figures]))
    sections.append(Section("tables", "Tables", [model for _, model in tables]))
    sections.append(Section("software", "Software", [Paragraph(_reproducible(study)), _software()]))
    checklist = consort_checklist(study, [*tables, *figures])
    about_list = Paragraph(
        "Where this report answers the items of CONSORT 2025 (Hopewell and others, doi:10.1371/journal.pmed.1004587), "
        "which are shortened here. What an analysis cannot answer is left to the authors."
    )
    sections.append(Section("consort", "CONSORT 2025 checklist", [about_list, checklist]))
    subtitle = f"Registration: {about.registration}" if about.registration else ""
    return Report(about.title, subtitle, marks(study, allocation), sections, rendered)


def _reproducible(study: Study) -> str:
    return (
        "Every number here is a row of results/estimates.csv. The same data, configuration, software and seed "
        f"({study.config.study.seed}) give the same file."
    )


def _software() -> Grid:
    rows: list[tuple[str, ...]] = [("Python", platform.python_version())]
    for name in PACKAGES:
        try:
            rows.append((name, version(name)))
        except PackageNotFoundError:
            continue
    return Grid("Versions of the software", ("Package", "Version"), tuple(rows))
