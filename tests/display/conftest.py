"""The study whose tables the tests here lay out; a module that tests another study has its own fixture."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipanalysis.files import write_json
from pipanalysis.study.load import Study, load_study


@pytest.fixture
def study(study_folder: Callable[..., Path]) -> Study:
    """The PIP study's configuration in a folder of its own, with a real allocation on record."""
    loaded = load_study(study_folder())
    loaded.layout.allocation_record.parent.mkdir(parents=True)
    write_json(loaded.layout.allocation_record, {"allocation": "real"})
    return loaded
