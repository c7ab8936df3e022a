"""What goes with a release: the bill of materials holds what the lock file pins, and containers are made from it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest


def pins(root: Path) -> set[tuple[str, str]]:
    """Name and version of every package of the lock file."""
    text = (root / "requirements.lock").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z0-9][a-z0-9._-]*)(?:\[[a-z,]+\])?==([^ ;\\]+)", text, flags=re.MULTILINE))


def test_bill_of_materials(root: Path) -> None:
    done = subprocess.run([root / "tools" / "sbom"], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"the tool that writes it cannot be had: {done.stderr.strip().splitlines()[-1:]}")
    found = json.loads((root / "build" / "sbom.cdx.json").read_text(encoding="utf-8"))
    assert found["bomFormat"] == "CycloneDX"
    assert {(one["name"], one["version"]) for one in found["components"]} == pins(root)
    hashed = [one for one in found["components"] if any("hashes" in r for r in one.get("externalReferences", []))]
    assert len(hashed) == len(found["components"]), "every package with its hashes"


@pytest.mark.parametrize("recipe", ["Dockerfile", "pipanalysis.def"])
def test_containers_are_made_from_the_lock_file(root: Path, recipe: str) -> None:
    text = (root / recipe).read_text(encoding="utf-8")
    base = re.search(r"python:(\d+)\.(\d+)-", text)
    assert base
    needed = re.search(r'requires-python = ">=(\d+)\.(\d+)"', (root / "pyproject.toml").read_text(encoding="utf-8"))
    assert needed
    assert tuple(map(int, base.groups())) >= tuple(map(int, needed.groups()))
    assert "tools/make-env" in text, "which installs from requirements.lock, by hash"
    assert "pip install" not in text


def test_what_the_containers_copy_is_enough_to_make_the_environment(root: Path, tmp_path: Path) -> None:
    """Before its last copy the image holds no more than the Dockerfile names: the package must be found in that."""
    text = (root / "Dockerfile").read_text(encoding="utf-8").partition("RUN tools/make-env")[0]
    for line in re.findall(r"^COPY --chown=analyst (.+)$", text, flags=re.MULTILINE):
        *sources, target = line.split()
        for source in sources:
            copied = tmp_path / target / (Path(source).name if target != source else "")
            if (root / source).is_dir():
                shutil.copytree(root / source, copied)
            else:
                copied.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(root / source, copied)
    shown = subprocess.run([tmp_path / "tools" / "make-env", "--find"], capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stderr
    for named in ("requirements.lock", "pyproject.toml", "README.md", "LICENSE", "src/pipanalysis/cli.py"):
        assert (tmp_path / named).is_file(), named
