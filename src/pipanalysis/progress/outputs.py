"""The files that the verb `progress` writes, and the page's own text that they depend on."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipanalysis.study.load import Study

ASSETS = ("page.html", "page.css", "page.js")


def asset(name: str) -> str:
    """Return the text of a template, style sheet or script of the page."""
    return files("pipanalysis.progress").joinpath("assets", name).read_text(encoding="utf-8")


def page_assets() -> list[str]:
    """Return the text of everything that the page is rendered by and that is not Python."""
    return [asset(name) for name in ASSETS]


def list_names(study: Study) -> list[str]:
    """Return the lists that are written as CSV."""
    return ["chase", "queries", *(["assessments"] if study.visits else [])]


def site_names(study: Study) -> list[str]:
    """Return the sites that get a workbook of their own: none where the page is filtered by something else."""
    by_site = study.progress.group is None or study.variables[study.progress.group].role == "site"
    return [site.name for site in study.config.sites] if by_site and study.variable_with_role("site") else []


def progress_outputs(study: Study) -> list[Path]:
    """Return every file that the verb writes, beside its history."""
    at = study.layout
    lists = [at.progress_list(name) for name in list_names(study)]
    return [at.progress_page, at.progress_workbook, *lists, *(at.progress_site(name) for name in site_names(study))]
