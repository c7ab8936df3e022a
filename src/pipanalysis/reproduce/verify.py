"""The verb `verify`: whether published results are reproduced, number by number, or at least agree with themselves."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipanalysis.errors import ConfigError, DataError, Problem
from pipanalysis.estimate.analysis_results import COLUMNS, TEXT
from pipanalysis.files import read_parquet, without_apostrophe, write_text
from pipanalysis.reproduce.compare import ROUNDING, Finding, compare
from pipanalysis.reproduce.consistency import check_consistency
from pipanalysis.reproduce.manifest import changed_outputs, config_checksums

if TYPE_CHECKING:
    import pandas as pd

RESULT_FILES = ("estimates.parquet", "estimates.csv")


@dataclass
class Verification:
    """A verdict and what it rests on.

    Attributes:
        compared: whether there were results to compare with; if not, the published ones were checked by themselves.
        numbers: rows compared by how they agree: identical, rounding, monte_carlo.
        checks: things found right in the published results by themselves, by kind.
        findings: every difference and contradiction.
        told: what else differs, which is no finding: processor, versions, modules.
        synthetic: whether the published results say that their data are made up.
    """

    compared: bool
    numbers: Counter[str] = field(default_factory=Counter)
    checks: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    synthetic: bool = False

    @property
    def good(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    @property
    def verdict(self) -> str:
        """Return the verdict as a sentence."""
        if not self.compared:
            right = f"{self.checks.total()} checks of the results against themselves"
            return f"CONSISTENT: {right}." if self.good else f"NOT CONSISTENT: {len(self.findings)} contradictions."
        if self.good:
            named = {
                "identical": "identical",
                "rounding": "equal to rounding",
                "monte_carlo": "within Monte Carlo error",
            }
            parts = [f"{self.numbers[kind]} {name}" for kind, name in named.items() if self.numbers[kind]]
            return f"REPRODUCED: all {self.numbers.total()} numbers ({', '.join(parts)})."
        kinds = Counter(finding.kind for finding in self.findings)
        return f"NOT REPRODUCED: {', '.join(f'{n} {kind}' for kind, n in kinds.items())}."


def verify(published: Path, here: Path | None, *, rounding: float = ROUNDING) -> Verification:
    """Verify published results.

    Args:
        published: a results folder, a folder with its estimates and manifest, or a file of estimates (CSV or Parquet).
        here: the same of the repetition; None to check the published results by themselves.
        rounding: relative difference of numbers that counts as equal.

    Raises:
        DataError: there are no results at one of the places, or they cannot be read.
    """
    own = read_results(published)
    manifest = _manifest(published)
    found = Verification(here is not None, synthetic=manifest.get("study", {}).get("data") in ("synthetic", "twin"))
    alone = check_consistency(own, published / "tables" if (published / "tables").is_dir() else None)
    found.checks, found.findings = alone.counts, alone.findings
    found.findings += _altered(published, manifest, "published")
    if not manifest:
        found.told.append("There is no manifest: whether the files are those that were made could not be checked.")
    if here is not None:
        comparison = compare(own, read_results(here), rounding=rounding)
        found.numbers = comparison.counts
        found.findings += comparison.findings
        _compare_manifests(found, manifest, _manifest(here))
        found.findings += _altered(here, _manifest(here), "here") + _edited_since(here)
    return found


def store(results: Path, reference: Path) -> str:
    """Store the estimates and the manifest of results as the reference that later ones are verified against.

    Returns:
        What was done, in a line.

    Raises:
        DataError: the results contradict themselves, or have no estimates or no manifest.
    """
    found = verify(results, None)
    if not found.good:
        problems = [
            Problem(finding.where, finding.kind, "results that agree with themselves") for finding in found.findings
        ]
        raise DataError(problems[:20])
    if not _manifest(results):
        raise DataError(Problem(str(results / "manifest.json"), "no such file", "the output of `pipanalysis manifest`"))
    for name in ("estimates.parquet", "manifest.json"):
        _copy(results / name, reference / name)
    return f"{len(read_results(reference))} statistics and the manifest stored in {reference}"


def _copy(source: Path, target: Path) -> None:
    from pipanalysis.files import whole_file

    with whole_file(target) as aside:
        aside.write_bytes(source.read_bytes())


def read_results(place: Path) -> pd.DataFrame:
    """Return the analysis results of a folder or file, as they stand: their content is not checked.

    Raises:
        DataError: there are none, they cannot be read, or they lack a column.
    """
    import pandas as pd

    path = place
    if place.is_dir():
        path = next((place / name for name in RESULT_FILES if (place / name).is_file()), place / RESULT_FILES[0])
    if path.suffix == ".parquet":
        frame = read_parquet(path)
    else:
        try:
            frame = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8").map(without_apostrophe)
        except (OSError, ValueError) as error:
            told = str(error).partition("\n")[0]
            raise DataError(Problem(str(path), f"cannot be read: {told}", "a file of analysis results")) from None
    if absent := [name for name in COLUMNS if name not in frame]:
        raise DataError(Problem(str(path), f"no column {', '.join(absent)}", "a file of analysis results"))
    frame = frame[list(COLUMNS)].reset_index(drop=True)
    problems = []
    for name in ("stat", "conf_level"):
        numbers = pd.to_numeric(frame[name], errors="coerce").astype("float64")
        wrong = frame.index[numbers.isna() & frame[name].notna() & ~frame[name].isin(["", "nan"])][:20]
        problems += [
            Problem(f"{path}, row {row + 2}, {name}", repr(frame.loc[row, name]), "a number or nothing")
            for row in wrong
        ]
        frame[name] = numbers
    if problems:
        raise DataError(problems)
    return frame.astype(dict.fromkeys((*TEXT, "prespecified"), "str"))


def _manifest(place: Path) -> dict[str, Any]:
    path = (place if place.is_dir() else place.parent) / "manifest.json"
    if not path.is_file():
        return {}
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise DataError(Problem(str(path), "not a manifest", "the output of `pipanalysis manifest`"))
    return content


def _altered(place: Path, manifest: dict[str, Any], which: str) -> list[Finding]:
    """Find files of a results folder that are there and not as its manifest says."""
    if not place.is_dir():
        return []
    problems = [problem for problem in changed_outputs(place, manifest) if (place / problem.where).is_file()]
    return [
        Finding("file", f"{p.where} ({which}) is not the file of its manifest", p.allowed, p.found) for p in problems
    ]


def _compare_manifests(found: Verification, published: dict[str, Any], here: dict[str, Any]) -> None:
    if not (published and here):
        found.told.append("Only one of the two has a manifest: plan, raw files and versions were not compared.")
        return
    for part, kind, checksum in (("config", "plan", "content_sha256"), ("inputs", "data", "sha256")):
        one, other = (
            {str(entry["path"]): str(entry[checksum]) for entry in m.get(part, [])} for m in (published, here)
        )
        for path in sorted(one | other):
            if one.get(path) != other.get(path):
                sums = [side.get(path, "")[:16] for side in (one, other)]
                found.findings.append(Finding(kind, f"{path} has another content", *sums))
    if published.get("seeds") != here.get("seeds"):
        found.findings.append(Finding("plan", "seeds", str(published.get("seeds")), str(here.get("seeds"))))
    one, other = (manifest.get("environment", {}) for manifest in (published, here))
    for name in ("python", "system", "machine", "processor", "blas"):
        if one.get(name) != other.get(name):
            found.told.append(f"{name}: published {one.get(name)}, here {other.get(name)}")
    versions = [side.get("packages", {}) for side in (one, other)]
    changed = [name for name in sorted(versions[0] | versions[1]) if versions[0].get(name) != versions[1].get(name)]
    found.told += [
        f"package {name}: published {versions[0].get(name)}, here {versions[1].get(name)}" for name in changed
    ]
    modules = [{entry["path"]: entry["sha256"] for entry in manifest.get("code", [])} for manifest in (published, here)]
    if n := sum(modules[0].get(path) != modules[1].get(path) for path in modules[0] | modules[1]):
        found.told.append(f"{n} modules of the program differ")


def _edited_since(here: Path) -> list[Finding]:
    """Find configuration files of the study of a results folder that were edited after its results were made."""
    from pipanalysis.study.load import load_study

    recorded = {entry["path"]: entry["content_sha256"] for entry in _manifest(here).get("config", [])}
    if not recorded or not (here.parent / "config" / "study.yaml").is_file():
        return []
    try:
        now = {entry["path"]: entry["content_sha256"] for entry in config_checksums(load_study(here.parent))}
    except ConfigError as error:
        return [Finding("plan", f"{problem.where}: {problem.found}") for problem in error.problems]
    return [
        Finding(
            "plan",
            f"{path} was edited after the results were made",
            recorded.get(path, "")[:16],
            now.get(path, "")[:16],
        )
        for path in sorted(recorded | now)
        if recorded.get(path) != now.get(path)
    ]


def write_page(path: Path, found: Verification) -> None:
    """Write the verification as one HTML page."""
    from pipanalysis.reproduce.verify_page import verification_page

    write_text(path, verification_page(found))
