"""The workflow as a user runs it: the repository's Snakefile on a study folder, in a process of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest


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
