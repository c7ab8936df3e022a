"""The lock file pins every package by hash and says nothing of where it came from."""

import re
import tomllib
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def lock(root: Path) -> str:
    return (root / "requirements.lock").read_text(encoding="utf-8")


def pins(lock: str) -> dict[str, list[str]]:
    """Return the lines of hashes that belong to each pinned package."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in lock.splitlines():
        if match := re.match(r"([a-z0-9][a-z0-9._-]*)(?:\[[^\]]*\])?==\S+", line):
            name = match[1]
            found[name] = []
        if "--hash=" in line:
            found[name].append(line)
    return found


def test_no_download_location(lock: str) -> None:
    assert not re.findall(r"https?:|file:|index|find-links|@ ", lock)


def test_every_package_has_hashes(lock: str) -> None:
    listed = pins(lock)
    assert len(listed) > 80
    assert not [name for name, hashes in listed.items() if not hashes]
    assert not [h for hashes in listed.values() for h in hashes if not re.search(r"--hash=sha256:[0-9a-f]{64}\b", h)]


def test_every_declared_package_is_pinned(root: Path, lock: str) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    declared = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    declared += project["build-system"]["requires"]
    names = {re.split(r"[<>=!~ ]", one, maxsplit=1)[0].lower() for one in declared}
    assert names <= set(pins(lock))
