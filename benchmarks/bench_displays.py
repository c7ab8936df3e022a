"""How long the tables, figures and report of a study take in every format, from its collected results.

    python benchmarks/bench_displays.py [STUDY FOLDER]

The study must have been analysed (`make results`); its displays are written to a folder of their own. In the order that
Snakemake runs them on 2 cores: the two lots of figures and the tables, then the report, which takes what they rendered;
and once more with a footnote changed, where only the table that holds it is rendered.
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
from pipanalysis.study.load import load_study


def main() -> None:
    """Print the seconds of each verb and of all of them together, anew and with a footnote changed."""
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
        run(copy.root, "everything anew")
        displays = copy.config / "displays.yaml"
        text = displays.read_text(encoding="utf-8")
        tables = text.index("\ntables:")
        title = text.index("title: ", tables)
        displays.write_text(text[:title] + 'footnotes: ["Another footnote."]\n    ' + text[title:], encoding="utf-8")
        run(copy.root, "a footnote changed")


def run(folder: Path, what: str) -> None:
    """Make the displays of a study and print how long it took."""
    before = processor()
    begun = time.perf_counter()
    lots = load_study(folder).displays.figure_lots()
    steps = {step: ["figures", *(figure.name for figure in lot)] for step, lot in lots.items()} | {"tables": ["tables"]}
    with ThreadPoolExecutor(2) as pool:
        seconds = dict(zip(steps, pool.map(lambda verb: timed(folder, verb), steps.values()), strict=True))
    seconds["report"] = timed(folder, ["report"])
    together = time.perf_counter() - begun
    files = sum(path.is_file() for path in Layout(folder).results.rglob("*"))
    each = ", ".join(f"{verb} {taken:.1f} s" for verb, taken in seconds.items())
    print(f"{what}: {together:.1f} s ({each}); of the processor {processor() - before:.1f} s; {files} files")


def processor() -> float:
    """Return the processor's seconds that all processes begun here have taken."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def timed(folder: Path, verb: list[str]) -> float:
    """Return how long a verb takes, in seconds, its start included."""
    begun = time.perf_counter()
    program = Path(sys.executable).with_name("pipanalysis")
    subprocess.run([program, *verb, "--study", folder], check=True, capture_output=True)
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
