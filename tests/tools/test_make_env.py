"""The bootstrap finds an interpreter that suits, in the stated order, or says in one sentence that there is none."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Fake = Callable[..., Path]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder of programs that is all of PATH: the shell's own and nothing named python or uv."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("bash", "dirname", "env", "ls", "sort"):
        (programs / name).symlink_to(shutil.which(name) or "")
    return tmp_path


@pytest.fixture
def fake(place: Path) -> Fake:
    """Make a program that answers as a Python of some version; `suits` only if it says so."""

    def make(path: Path, *, suits: bool) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        answer = f'case "$2" in *sys.executable*) echo {path} ;; *) exit {0 if suits else 1} ;; esac'
        path.write_text(f"#!{place}/bin/bash\n{answer}\n", encoding="utf-8")
        path.chmod(0o755)
        return path

    return make


def find(root: Path, place: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [place / "bin" / "bash", str(root / "tools" / "make-env"), "--find"],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": str(place / "bin"), "HOME": str(place), **environment},
    )


def test_a_real_interpreter_suits(root: Path, place: Path) -> None:
    done = find(root, place, PYTHON=sys.executable)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).samefile(sys.executable)


def test_the_order(root: Path, place: Path, fake: Fake) -> None:
    """python3, then python3.13, python3.12, then pyenv's newest; each is tried by running it."""
    pyenv = place / ".pyenv" / "versions"
    for path in (pyenv / "3.9.1" / "bin" / "python3", pyenv / "3.11.7" / "bin" / "python3"):
        fake(path, suits=False)
    steps = [pyenv / "3.12.1" / "bin" / "python3", pyenv / "3.13.0" / "bin" / "python3"]
    steps += [place / "bin" / name for name in ("python3.12", "python3.13", "python3")]
    for expected in steps:
        fake(expected, suits=True)
        done = find(root, place)
        assert done.stdout.strip() == str(expected), done.stderr


def test_old_and_broken_ones_are_passed_over(root: Path, place: Path, fake: Fake) -> None:
    fake(place / "bin" / "python3", suits=False)
    broken = fake(place / "bin" / "python3.13", suits=True)
    broken.write_text(f"#!{place}/no/such/interpreter\n", encoding="utf-8")
    good = fake(place / "bin" / "python3.12", suits=True)
    assert find(root, place).stdout.strip() == str(good)


def test_pyenv_root_is_honoured(root: Path, place: Path, fake: Fake) -> None:
    good = fake(place / "elsewhere" / "versions" / "3.13.2" / "bin" / "python3", suits=True)
    assert find(root, place, PYENV_ROOT=str(place / "elsewhere")).stdout.strip() == str(good)


def test_uv_is_asked_last(root: Path, place: Path, fake: Fake) -> None:
    good = fake(place / "managed" / "python3", suits=True)
    uv = place / "bin" / "uv"
    uv.write_text(f'#!{place}/bin/bash\n[[ "$2" == find ]] && echo {good}\n', encoding="utf-8")
    uv.chmod(0o755)
    assert find(root, place).stdout.strip() == str(good)


@pytest.mark.parametrize("asked", ["", "python2", os.devnull])
def test_none_gives_one_sentence(root: Path, place: Path, asked: str) -> None:
    done = find(root, place, **({"PYTHON": asked} if asked else {}))
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Python 3.12 or later" in done.stderr
