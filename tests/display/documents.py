"""Documents as people's programs open them: LibreOffice and pdfLaTeX set them, poppler and pandoc read them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest


def program(name: str) -> str:
    """Return the path of a program; without it skip, or fail where the tests of documents must run."""
    found = shutil.which(name)
    if found is not None:
        return found
    reason = f"{name} is not here: tools/document-test-env"
    if os.environ.get("DOCUMENT_TESTS") == "required":
        pytest.fail(reason)
    pytest.skip(reason)


def office_pages(folder: Path, documents: dict[str, bytes]) -> dict[str, list[str]]:
    """Return the text of the pages of documents by file name, as LibreOffice sets them."""
    office = program("soffice")
    for name, content in documents.items():
        (folder / name).write_bytes(content)
    converted = folder / "converted"
    for ending in dict.fromkeys(name.rpartition(".")[2] for name in documents):
        own = [str(folder / name) for name in documents if name.endswith(f".{ending}")]
        subprocess.run(
            [office, f"-env:UserInstallation=file://{folder}/office", "--headless", "--convert-to", "pdf"]
            + ["--outdir", str(converted / ending), *own],
            check=True,
            capture_output=True,
        )
    return {name: pdf_pages(office_pdf(folder, name)) for name in documents}


def office_pdf(folder: Path, name: str) -> Path:
    """Return where `office_pages` put a document: those of one name and two formats do not meet."""
    stem, _, ending = name.rpartition(".")
    return folder / "converted" / ending / f"{stem}.pdf"


def pdf_pages(path: Path) -> list[str]:
    """Return the text of the pages of a PDF, laid out as on them."""
    command = [program("pdftotext"), "-layout", str(path), "-"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return done.stdout.split("\f")[:-1]


def pandoc_rows(folder: Path, name: str, content: bytes) -> list[list[str]]:
    """Return the text of the cells of a document's one table, row by row, as pandoc reads it."""
    (folder / name).write_bytes(content)
    done = subprocess.run(
        [program("pandoc"), "--to", "json", str(folder / name)], check=True, capture_output=True, text=True
    )
    (table,) = [block["c"] for block in json.loads(done.stdout)["blocks"] if block["t"] == "Table"]
    _, _, _, (_, head), bodies, (_, foot) = table
    rows = [*head, *(row for _, _, above, own in bodies for row in (*above, *own)), *foot]
    return [[_plain(blocks) for *_, blocks in cells] for _, cells in rows]


def _plain(node: Any) -> str:
    """Return the text of what pandoc read."""
    if isinstance(node, list):
        return "".join(_plain(part) for part in node)
    if not isinstance(node, dict):
        return ""
    if node["t"] == "Str":
        return str(node["c"])
    return " " if node["t"] in ("Space", "SoftBreak") else _plain(node.get("c"))


def pdf_places(path: Path) -> str:
    """Return the words of a PDF with their places, as poppler's XHTML."""
    command = [program("pdftotext"), "-bbox", str(path), "-"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def pdflatex(folder: Path, name: str, source: str) -> str:
    """Set a document once, which must end without an error, and return what pdfLaTeX said."""
    latex = program("pdflatex")
    (folder / f"{name}.tex").write_text(source, encoding="utf-8")
    done = subprocess.run(
        [latex, "-interaction=nonstopmode", "-halt-on-error", f"{name}.tex"],
        cwd=folder,
        capture_output=True,
        check=False,
    )
    said = done.stdout.decode("latin-1")
    assert done.returncode == 0, said[-2000:]
    return said
