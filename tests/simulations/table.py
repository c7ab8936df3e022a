"""Collects the simulations of the estimators and lays them out as docs/simulations.md.

A simulation is a module `simulations_*.py` in `tests/estimate` with a function `coverage(runs, seed)` that simulates so
many trials and returns records of estimator, scenario, quantity, nominal, found (a rate), mcse (its Monte Carlo
standard error) and runs. Modules are found by name.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from math import sqrt
from multiprocessing import get_context
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
TABLE = ROOT / "docs" / "simulations.md"
RUNS, SEED, CHUNKS = 500, 20160302, 10
POOR = 0.01
"""distance of a rate from its nominal value from which it is poor, where it is beyond chance too"""
HEAD = "| estimator | scenario | quantity | nominal | found | MCSE | trials | |"

CAUSES = {
    "as treated, least squares": (
        "no analysis of the plan. It compares who attended with who did not, and in the simulation, as in life, "
        "what makes a dyad attend also moves its outcome. It stands here to show what `cace`, which holds its level in "
        "the same trials, is for."
    ),
    "`ancova`, practices ignored": (
        "not to be used where practices are allocated whole: units of one practice are alike, which its "
        "standard errors do not know. `ancova`, cluster-robust (CR2), holds its level in the same trials."
    ),
    "`ancova`, therapists ignored": (
        "dyads of one therapist are taken as independent; beside `therapist` it shows what that costs. Without "
        "variance between therapists it is right, and `therapist` then claims less than it could."
    ),
    "`logistic`, odds ratio": (
        "with one or two events in the reference arm the logarithm of the ratio is skewed, and its standard error "
        "grows as events get fewer, so limits are wide where the estimate is far off. Such data are marked "
        "`sparse cell`, and Firth's profile limits and Fisher's exact test stand beside."
    ),
    "`logistic`, delta method": (
        "with about three events in the reference arm the standard error of the ratio's logarithm is "
        "largest where events are fewest, so limits are wide. Bootstrap limits stand beside."
    ),
    "`gee`": "of a ratio of small risks as `logistic` is, by the delta method.",
    "`dyadic`, covariance between arms": (
        "a product of two treatment effects. With both near zero it varies less than the draws that its limits come "
        "from, as is known of indirect effects."
    ),
    "`reference_based`, jump to reference, multiple imputation": (
        "Rubin's rules hold the information that is lost alike under every strategy (Cro, Carpenter and Kenward 2019), "
        "so errors are larger than an estimate varies where a reference is copied. That is what they are chosen for; "
        "conditional means with the jackknife hold the level in the same trials."
    ),
    "`therapist`, limits of the ICC": (
        "of the profile likelihood, whose ratio is zero in half of all trials where the true ICC is zero: "
        "limits for 95% then hold it in 97.5%. Six therapists say little of an ICC, and so it is up to 0.1 too."
    ),
}
"""why an estimator's rates are poor: by how its name begins"""

Record = dict[str, Any]


@dataclass(frozen=True)
class Rate:
    """A rate of a simulation: what was aimed at, what was found, and the Monte Carlo standard error."""

    estimator: str
    scenario: str
    quantity: str
    nominal: float
    found: float
    mcse: float
    runs: int

    @property
    def verdict(self) -> str:
        """Good, or poor and in which direction; beyond three standard errors and a percentage point is poor."""
        away = self.found - self.nominal
        if abs(away) <= max(3 * self.mcse, POOR):
            return "good"
        # few intervals hold the truth, or many tests reject it: more is claimed than should be
        liberal = (away < 0) == (self.nominal > 0.5)
        return "**poor**: liberal" if liberal else "poor: conservative"


def modules() -> list[str]:
    """Return the names of the modules with simulations."""
    return sorted(f"estimate.{path.stem}" for path in (ROOT / "tests" / "estimate").glob("simulations_*.py"))


def simulated(runs: int, seed: int, chosen: Iterable[str] | None = None) -> list[Rate]:
    """Run the simulations in chunks over two processes; the chunks, and so the figures, depend on the seed alone."""
    names = list(chosen) if chosen is not None else modules()
    jobs = [(name, runs // CHUNKS, seed + 1000 * chunk) for chunk in range(CHUNKS) for name in names]
    with ProcessPoolExecutor(min(2, os.cpu_count() or 1), mp_context=get_context("spawn")) as pool:
        parts = list(pool.map(_chunk, jobs))
    return merged(
        [record for name in names for job, part in zip(jobs, parts, strict=True) if job[0] == name for record in part]
    )


def _chunk(job: tuple[str, int, int]) -> list[Record]:
    name, runs, seed = job
    found: list[Record] = import_module(name).coverage(runs, seed)
    return found


def merged(records: Iterable[Record]) -> list[Rate]:
    """Put the chunks of each rate together: means weighted by trials; a rate's error is never taken as zero."""
    groups: dict[tuple[str, str, str], list[Record]] = {}
    for record in records:
        groups.setdefault((record["estimator"], record["scenario"], record["quantity"]), []).append(record)
    rates = []
    for (estimator, scenario, quantity), parts in groups.items():
        runs = sum(part["runs"] for part in parts)
        found = sum(part["runs"] * part["found"] for part in parts) / runs
        mcse = sqrt(sum((part["runs"] * part["mcse"]) ** 2 for part in parts)) / runs
        rates.append(Rate(estimator, scenario, quantity, parts[0]["nominal"], found, mcse, runs))
    return rates


def page(rates: Sequence[Rate], runs: int, seed: int) -> str:
    """Return docs/simulations.md."""
    rows = [
        f"| {r.estimator} | {r.scenario} | {r.quantity} | {100 * r.nominal:.1f}% | {100 * r.found:.2f}% | "
        f"{100 * r.mcse:.2f} | {r.runs} | {r.verdict} |"
        for r in rates
    ]
    introduction = INTRODUCTION.format(runs=f"{runs:,}", seed=seed)
    return "\n".join([introduction, "", _summary(rates), "", HEAD, "|---" * 8 + "|", *rows, ""])


def _summary(rates: Sequence[Rate]) -> str:
    """Say how many rates are poor, and which, the liberal ones first."""
    poor = [rate for rate in rates if rate.verdict != "good"]
    if not poor:
        return f"Of {len(rates)} rates none is poor."
    lines = [f"Of {len(rates)} rates {len(poor)} {'is' if len(poor) == 1 else 'are'} poor."]
    for way in ("liberal", "conservative"):
        named = [
            f"- {r.estimator}, {r.scenario}, {r.quantity}: {100 * r.found:.1f}%"
            for r in poor
            if r.verdict.endswith(way)
        ]
        lines += ["", f"{way.capitalize()}:", "", *named] if named else []
    why = [f"- {name}: {told}" for name, told in CAUSES.items() if any(r.estimator.startswith(name) for r in poor)]
    lines += ["", "Why:", "", *why] if why else []
    return "\n".join(lines)


INTRODUCTION = """# Simulations

How often each estimator's intervals hold the truth, or its tests reject a true hypothesis, at about the trial's size.
Made by `make simulations`, from seed {seed} with {runs} trials a scenario (fewer where a trial is costly);
`make validate` runs it again and compares. MCSE: Monte Carlo standard error, in percentage points. *Poor*: away from
nominal by more than three of them and by more than one percentage point; *liberal* claims more than it should,
*conservative* less."""


def committed_runs() -> int:
    """Return the number of trials a scenario that docs/simulations.md was made with."""
    found = re.search(r"with ([\d,]+) trials a scenario", TABLE.read_text(encoding="utf-8"))
    if found is None:
        raise ValueError(f"{TABLE} does not say with how many trials it was made")
    return int(found.group(1).replace(",", ""))


def committed() -> list[Rate]:
    """Read the rates of docs/simulations.md."""
    rates = []
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) == 8 and re.fullmatch(r"[\d.]+%", cells[3]):
            nominal, found = (float(cell.rstrip("%")) / 100 for cell in cells[3:5])
            rates.append(Rate(*cells[:3], nominal, found, float(cells[5]) / 100, int(cells[6])))
    return rates
