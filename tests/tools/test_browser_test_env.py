"""tools/browser-test-env: it fetches what is missing, once, and takes nothing but what it expects."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest


@pytest.fixture
def tool(root: Path, tmp_path: Path) -> Path:
    """The tool in a repository of its own, with a Chromium and an npm that pack a wrong axe-core."""
    (tmp_path / "tools").mkdir()
    shutil.copy(root / "tools" / "browser-test-env", tmp_path / "tools")
    (tmp_path / "bin").mkdir()
    npm = """#!/usr/bin/env bash
echo called >> "$CALLS"
while [[ $# -gt 0 ]]; do [[ $1 == --pack-destination ]] && to=$2; last=$1; shift; done
mkdir -p "$to/package" && echo "not axe" > "$to/package/axe.min.js"
tar -czf "$to/${last/@/-}.tgz" -C "$to" package/axe.min.js
"""
    for name, text in (("chromium", "#!/usr/bin/env bash\n"), ("npm", npm)):
        path = tmp_path / "bin" / name
        path.write_text(text)
        path.chmod(0o755)
    return tmp_path / "tools" / "browser-test-env"


def run(tool: Path) -> subprocess.CompletedProcess[str]:
    place = tool.parents[1]
    env = {**os.environ, "PATH": f"{place / 'bin'}:{os.environ['PATH']}", "CALLS": str(place / "calls")}
    return subprocess.run([str(tool)], capture_output=True, text=True, check=False, env=env)


def test_another_axe_core_is_not_taken(tool: Path) -> None:
    done = run(tool)
    assert done.returncode == 2
    assert "is not what was expected" in done.stderr
    assert not (tool.parents[1] / ".venv").exists()


def test_nothing_is_fetched_where_all_is_there(root: Path, tool: Path) -> None:
    sound = root / ".venv" / "browser" / "axe.min.js"
    if not sound.is_file():
        pytest.skip("axe-core is not here: tools/browser-test-env")
    there = tool.parents[1] / ".venv" / "browser"
    there.mkdir(parents=True)
    shutil.copy(sound, there)
    assert run(tool).returncode == 0
    assert not (tool.parents[1] / "calls").exists()
