"""How long the tables, figures and report of a study take in every format, from its collected results.

    python benchmarks/bench_displays.py [STUDY FOLDER]

The study must have been analysed (`make results`); its displays are written to a folder of their own. Two processes at
a time, as Snakemake runs them on 2 cores.
"""

from __future__ import annotations

import resource
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pipanalysis.study.layout import Layout

VERBS = ("report", "figures", "tables")
"""longest first"""


def main() -> None:
    """Print the seconds of each verb and of all of them together."""
    study = Layout(Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[1]))
    with tempfile.TemporaryDirectory() as name:
        copy = Layout(Path(name))
        shutil.copytree(study.config, copy.config)
        for here, there in (
            (study.estimates, copy.estimates),
            (study.allocation_record, copy.allocation_record),
        ):
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(here, there)
        begun = time.perf_counter()
        with ThreadPoolExecutor(2) as pool:
            seconds = dict(zip(VERBS, pool.map(lambda verb: timed(copy.root, verb), VERBS), strict=True))
        together = time.perf_counter() - begun
        files = sum(path.is_file() for path in copy.results.rglob("*"))
    for verb, taken in seconds.items():
        print(f"{verb:8} {taken:5.1f} s")
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = used.ru_utime + used.ru_stime
    print(f"together {together:5.1f} s, of the processor {processor:.1f} s; {files} files, 2 processes")


def timed(folder: Path, verb: str) -> float:
    """Return how long a verb takes, in seconds, its start included."""
    begun = time.perf_counter()
    program = Path(sys.executable).with_name("pipanalysis")
    subprocess.run([program, verb, "--study", folder], check=True, capture_output=True)
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
