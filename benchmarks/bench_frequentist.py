"""How long the whole frequentist analysis of the PIP study takes, start to finish, and where the time goes.

.venv/bin/python benchmarks/bench_frequentist.py [--cores 2]

The study is the repository's without its Bayesian analyses, from the raw files to the collected estimates and every
table of them. The synthetic trial is made first and does not count. Wall seconds are those of this machine as busy as
it is; CPU seconds (user and system, of all processes) compare better. The target: under 25 s of wall time on 2 cores
that do nothing else.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
TARGET = 25.0


def timed(command: list[str], folder: Path) -> tuple[float, float]:
    """Run a command; wall and CPU seconds of it and its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.perf_counter()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=os.environ, check=False)
    wall = time.perf_counter() - begun
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def frequentist_study(folder: Path) -> None:
    """Copy the study's configuration without its Bayesian analyses and the displays of them alone."""
    from pipanalysis.study.plan import FAMILIES

    shutil.copytree(ROOT / "config", folder / "config")
    plan, displays = folder / "config" / "analysis.yaml", folder / "config" / "displays.yaml"
    planned, shown = (yaml.safe_load(path.read_text(encoding="utf-8")) for path in (plan, displays))
    kept = [analysis for analysis in planned["analyses"] if analysis["method"] not in FAMILIES["bayes"]]
    gone = {analysis["name"] for analysis in planned["analyses"]} - {analysis["name"] for analysis in kept}
    planned |= {"analyses": kept, "bayes": None}
    for kind in ("tables", "figures"):
        for display in shown[kind]:
            if "analyses" in display:
                display["analyses"] = [name for name in display["analyses"] if name not in gone]
        shown[kind] = [display for display in shown[kind] if display.get("analyses") != []]
    plan.write_text(yaml.safe_dump(planned, sort_keys=False), encoding="utf-8")
    displays.write_text(yaml.safe_dump(shown, sort_keys=False), encoding="utf-8")


def main() -> None:
    """Print the seconds of the workflow and of each of its steps."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cores", type=int, default=2)
    cores = parser.parse_args().cores
    os.environ |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    os.environ["PATH"] = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    from pipanalysis.study.load import load_study

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        frequentist_study(folder)
        timed(["pipanalysis", "simulate", "--quiet"], folder)
        study = load_study(folder)
        wanted = [str(study.layout.table(study.displays.tables[0].name, "html").relative_to(folder))]
        workflow = ["snakemake", "-s", str(ROOT / "Snakefile"), "--cores", str(cores), "--quiet", "all", "--", *wanted]
        wall, cpu = timed(workflow, folder)
        print(f"{'whole workflow':<24}{wall:8.1f} s wall{cpu:8.1f} s CPU   target {TARGET:.0f} s wall on 2 quiet cores")
        print(f"{'if nothing waits':<24}{cpu / cores:8.1f} s wall   CPU seconds over {cores} cores")
        estimates = [["estimate", family, "--quiet"] for family in study.families()]
        begin = [["intake", "--quiet"], ["derive", "--quiet"], ["intake", "--closed", "--quiet"], ["allocate"]]
        for verb in [*begin, *estimates, ["collect"], ["tables"]]:
            wall, cpu = timed(["pipanalysis", *verb], folder)
            name = " ".join(word for word in verb if word != "--quiet")
            print(f"{name:<24}{wall:8.1f} s wall{cpu:8.1f} s CPU")
        wall, cpu = timed([*workflow[:-2], "--forceall", "--dry-run", "--", *wanted], folder)
        print(f"{'snakemake itself':<24}{wall:8.1f} s wall{cpu:8.1f} s CPU")


if __name__ == "__main__":
    main()
