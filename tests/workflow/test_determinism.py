"""The same inputs give the same bytes: with one core or two, in another time zone, locale, hash seed and folder."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from pipanalysis.files import sha256


def made(root: Path, folder: Path, cores: str, **environment: str) -> dict[str, str]:
    """Run the workflow in a folder and return the checksum of everything that it made."""
    shutil.copytree(root / "examples" / "beat-the-blues" / "config", folder / "config")
    shutil.copytree(root / "examples" / "beat-the-blues" / "data" / "raw", folder / "data" / "raw")
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(root / "Snakefile"), "--cores", cores]
    done = subprocess.run(
        [*command, "--directory", str(folder)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    found = [path for part in ("data", "results") for path in (folder / part).rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): sha256(path) for path in found if path.name != "durations.csv"}


def test_same_bytes_whatever_the_surroundings(root: Path, tmp_path: Path) -> None:
    one = made(root, tmp_path / "one", "2", TZ="UTC", LC_ALL="C.UTF-8", PYTHONHASHSEED="0")
    other = made(
        root,
        tmp_path / "another folder, with spaces and ü",
        "1",
        TZ="Pacific/Auckland",
        LC_ALL="POSIX",
        PYTHONHASHSEED="4242",
        COLUMNS="40",
        USER="somebody",
    )
    assert len(one) > 15
    assert one == other
