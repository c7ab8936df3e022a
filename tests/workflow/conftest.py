"""The workflow as a user runs it: the repository's Snakefile on a study folder, in a process of its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipanalysis.files import sha256


@dataclass(frozen=True)
class Run:
    """What a run of the workflow said."""

    status: int
    said: str

    @property
    def jobs(self) -> dict[str, int]:
        """Jobs by rule, from Snakemake's table of job counts."""
        counts = re.findall(r"^(\w+) +(\d+)$", self.said, flags=re.MULTILINE)
        return {rule: int(n) for rule, n in counts if rule != "total"}


Workflow = Callable[..., Run]
SURROUNDINGS = {"TZ": "Pacific/Auckland", "LC_ALL": "POSIX", "PYTHONHASHSEED": "4242", "COLUMNS": "40", "USER": "x"}
"""time zone, locale, order of sets, width of the terminal and user, none of them that of the other runs"""


def made(folder: Path, *below: str) -> dict[str, str]:
    """Return the checksums of the files in parts of a study's folder, by their paths in it."""
    files = (path for part in below for path in (folder / part).rglob("*") if path.is_file())
    files = (path for path in files if path.name != "durations.csv")  # the one file that differs from run to run
    return {path.relative_to(folder).as_posix(): sha256(path) for path in files}


def made_again(finished: Path, given: tuple[str, ...], workflow: Workflow, place: Path) -> None:
    """Run a finished study again from what it was given, on one core in other surroundings: every byte is the same."""
    folder = place / "another folder, with spaces and ü"
    for part in given:
        shutil.copytree(finished / part, folder / part)
    run = workflow(folder, "--cores", "1", **SURROUNDINGS)
    assert run.status == 0, run.said
    before = made(finished, "data", "results")
    assert {Path(name).suffix for name in before} >= {".svg", ".png", ".pdf", ".html", ".docx", ".parquet", ".nc"}
    assert made(folder, "data", "results") == before


@pytest.fixture(scope="session")
def workflow(root: Path) -> Workflow:
    """Return a function that runs the workflow on a folder, with arguments and environment of its own."""

    def run(folder: Path, *arguments: str, **environment: str) -> Run:
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(root / "Snakefile"), "--cores", "2"]
        done = subprocess.run(
            [*command, "--directory", str(folder), *arguments],
            capture_output=True,
            text=True,
            check=False,
            cwd=folder,
            env={**os.environ, "PYTHONHASHSEED": "0", "COLUMNS": "200", **environment},
        )
        return Run(done.returncode, done.stdout + done.stderr)

    return run
