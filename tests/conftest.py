"""Fixtures that several parts of the tests use."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadFileScheduling

# The same examples every time, however slow the machine.
settings.register_profile("steady", deadline=None, derandomize=True)
settings.load_profile("steady")

for _variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

# A container that sets this has Python compile this repository, and pytest rewrite its tests, anew in each of the
# hundred processes that the tests start.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

ROOT = Path(__file__).resolve().parents[1]


FIRST = ("test_faults.py", "test_pip.py")
LONG = ("workflow", "reproduce", "bayes", "twin", "display", "simulate", "estimate", "mmrm")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files: begun last, they would keep one core waiting for the other."""
    items.sort(key=lambda item: (item.path.name not in FIRST, item.path.parent.name not in LONG))


class ByFile(LoadFileScheduling):
    """Give each worker a file at a time, but all of `reproduce` to one: they share a study that is slow to finish."""

    def _split_scope(self, nodeid: str) -> str:
        return "reproduce" if nodeid.startswith("tests/reproduce/") else str(super()._split_scope(nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    """Share the files out among the workers."""
    return ByFile(config, log)


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository, which is the PIP study's folder."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The reference data and answers kept beside the repository; tests that need them skip elsewhere."""
    folder = ROOT.parent / "shared"
    if not (folder / "reference" / "README.md").is_file():
        pytest.skip("the reference data (a folder `shared` beside the repository) are not here")
    return folder


@pytest.fixture
def study_folder(tmp_path: Path, root: Path) -> Callable[..., Path]:
    """Make a copy of a study's configuration that a test may change."""

    def make(source: Path = root, name: str = "study") -> Path:
        folder = tmp_path / name
        shutil.copytree(source / "config", folder / "config")
        return folder

    return make
