"""Intake, derive and descriptives of a large synthetic trial: seconds and memory of each verb, in its own process.

    python benchmarks/bench_large_trial.py [units]      (default: 100,000 dyads, 3 visits, all items)

Target at 100,000: intake + derive + allocate + describe in under 90 s and 8 GB on 2 cores. The visit files are CSV: the
spreadsheet and SPSS files of the small trial cannot hold, or are not used for, so many rows.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TARGET_SECONDS, TARGET_GB = 90.0, 8.0
MEASURED = ("intake", "derive", "intake --closed", "allocate", "estimate describe")


def large_study(folder: Path) -> None:
    """Copy the PIP configuration with every visit file as CSV."""
    shutil.copytree(ROOT / "config", folder / "config")
    path = folder / "config" / "study.yaml"
    text = path.read_text(encoding="utf-8")
    for old, new in (
        ("visit_6months.sav", "visit_6months.csv"),
        ("visit_12months.xlsx", "visit_12months.csv"),
        ("    sheet: Assessments\n", ""),
    ):
        if old not in text:
            raise SystemExit(f"{path}: {old!r} is not there: the benchmark's configuration must be adapted")
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")


def run(folder: Path, verb: str, *arguments: str) -> tuple[float, float]:
    """Run a verb; return wall seconds and peak memory in GB."""
    command = [sys.executable, "-c", "from pipanalysis.cli import main; main()", *verb.split(), *arguments]
    begun = time.perf_counter()
    child = subprocess.Popen([*command, "--study", str(folder)], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        raise SystemExit(f"{verb} ended with status {os.waitstatus_to_exitcode(status)}")
    return time.perf_counter() - begun, usage.ru_maxrss / 1e6


def main() -> None:
    units = sys.argv[1] if len(sys.argv) > 1 else "100000"
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        large_study(folder)
        seconds, memory = run(folder, "simulate", "--units", units, "--quiet")
        size = sum(path.stat().st_size for path in (folder / "data" / "raw").iterdir()) / 1e6
        print(f"{'simulate':<18}{seconds:8.1f} s {memory:6.2f} GB   ({units} units, {size:.0f} MB of raw files)")
        total, peak = 0.0, 0.0
        for verb in MEASURED:
            seconds, memory = run(folder, verb, *([] if verb == "allocate" else ["--quiet"]))
            total, peak = total + seconds, max(peak, memory)
            print(f"{verb:<18}{seconds:8.1f} s {memory:6.2f} GB", flush=True)
        verdict = "met" if total < TARGET_SECONDS and peak < TARGET_GB else "MISSED"
        target = f"target {TARGET_SECONDS:.0f} s, {TARGET_GB:.0f} GB: {verdict}"
        print(f"{'together':<18}{total:8.1f} s {peak:6.2f} GB   {target}")


if __name__ == "__main__":
    main()
