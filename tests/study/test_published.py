"""The register of published data: its entries are the files of the examples, with their source and licence."""

import hashlib
import string
from pathlib import Path

import pytest

from pipanalysis.study.load import load_study
from pipanalysis.study.published import PUBLISHED

LICENCES = {"GPL-2.0-only": ("GNU GENERAL PUBLIC LICENSE", "Version 2, June 1991")}
"""SPDX identifier → what the text of the licence begins with"""


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_an_entry_is_of_the_files_of_an_example(root: Path, name: str) -> None:
    """Every raw file of the example is in the entry and nothing else is, by the checksum of its bytes."""
    entry = PUBLISHED[name]
    studies = [load_study(path.parents[1]) for path in sorted(root.glob("examples/*/config/study.yaml"))]
    (study,) = [one for one in studies if one.config.study.published == name]
    assert study.published is entry
    assert study.config.study.data == "real"
    declared = {file.path for file in study.config.files} | {study.allocation.path}
    found = {path: hashlib.sha256((study.layout.raw / path).read_bytes()).hexdigest() for path in declared}
    assert found == dict(entry.files)
    assert all(len(one) == 64 and set(one) <= set(string.hexdigits.lower()) for one in entry.files.values())


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_source_and_licence_stand_beside_the_files_and_in_the_documentation(root: Path, name: str) -> None:
    entry = PUBLISHED[name]
    (raw,) = [
        path.parents[1] / "data" / "raw"
        for path in root.glob("examples/*/config/study.yaml")
        if f"published: {name}\n" in path.read_text(encoding="utf-8")
    ]
    told = " ".join((raw / "README.md").read_text(encoding="utf-8").split())
    package = entry.source.split()[-1]
    journal = entry.citation.partition(", ")[2]
    assert package in told
    assert journal in told
    begins = (raw / "LICENSE").read_text(encoding="utf-8")[:200]
    assert all(words in begins for words in LICENCES[entry.licence])
    (row,) = [line for line in (root / "docs" / "displays.md").read_text().splitlines() if f"| `{name}` |" in line]
    assert entry.title in row
    assert package in row


def test_line_ends_of_published_files_stay_as_they_are(root: Path) -> None:
    """Git would else write other bytes on a system that ends lines with a carriage return."""
    lines = (root / ".gitattributes").read_text(encoding="utf-8").splitlines()
    assert "/examples/*/data/raw/** -text" in lines
