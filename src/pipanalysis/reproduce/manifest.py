"""The verb `manifest`: what made the results, by checksum.

`results/manifest.json` has the same bytes whenever the same inputs, configuration, code and packages make the same
results on the same machine. How long each step took does not repeat, so it stands beside, in `results/durations.csv`.
"""

from __future__ import annotations

import csv
import io
import json
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipanalysis.errors import DataError, Problem
from pipanalysis.files import read_record, sha256, write_json, write_text
from pipanalysis.reproduce.environment import environment
from pipanalysis.reproduce.fingerprint import PACKAGE, content_checksum

if TYPE_CHECKING:
    from pipanalysis.study.layout import Layout
    from pipanalysis.study.load import Study

FORMAT = 1
MADE_AFTER = ("manifest.json", "durations.csv", "verification.html")
"""files of the results folder that are made from the others, or differ from run to run"""


def manifest(study: Study) -> str:
    """Write the manifest of the results, and how long the steps took.

    Returns:
        What was done, in a line.

    Raises:
        DataError: there are no collected results, or the record of the allocation is missing or damaged.
        DisclosureError: a result gives away something of a participant.
    """
    from pipanalysis.reproduce.disclosure import refuse_disclosures

    layout = study.layout
    if not layout.estimates.is_file():
        raise DataError(Problem(str(layout.estimates), "no such file", "the output of an earlier step of the workflow"))
    refuse_disclosures(study)
    content = describe(study)
    write_json(layout.manifest, content)
    write_durations(layout)
    counts = ", ".join(f"{len(content[part])} {part}" for part in ("inputs", "config", "outputs"))
    return f"{counts}, {len(content['code'])} modules ({layout.manifest.relative_to(layout.root)})"


def describe(study: Study) -> dict[str, Any]:
    """Return the manifest's content."""
    about, layout = study.config.study, study.layout
    allocation = read_record(layout.allocation_record)
    return {
        "format": FORMAT,
        "study": {
            "id": about.id,
            "title": about.title,
            "registration": about.registration,
            "data": about.data,
            "allocation": allocation.get("allocation"),
        },
        "lock": lock_summary(study),
        "program": {"name": PACKAGE.name, "version": metadata.version(PACKAGE.name)},
        "seeds": seeds(study),
        "inputs": inputs(study, allocation),
        "config": config_checksums(study),
        "code": code_checksums(),
        "environment": environment(),
        "outputs": checksums(layout.root, result_files(layout)),
    }


def lock_summary(study: Study) -> dict[str, Any] | None:
    """Return the plan's lock and the modules of the program that are not as they were then, None without a lock."""
    if study.lock is None:
        return None
    before, now = (
        {entry["path"]: entry["sha256"] for entry in entries}
        for entries in (study.lock.content.get("code", []), code_checksums())
    )
    return {
        "version": study.lock.version,
        "date": study.lock.date,
        "sha256": study.lock.sha256,
        "modules_changed_since": sorted(path for path in before | now if before.get(path) != now.get(path)),
    }


def inputs(study: Study, allocation: dict[str, Any]) -> list[dict[str, str]]:
    """Return the raw files with their checksums when they were read, from the records of the steps that read them."""
    layout = study.layout
    closed = not study.masked and any(file.closed for file in study.config.files)
    read = [layout.intake_record, *([layout.closed_record] if closed else [])]
    found = [(str(file["file"]), str(file["sha256"])) for path in read for file in read_record(path).get("files", [])]
    if "sha256" in allocation:
        path = layout.raw / str(allocation["file"])
        found.append((path.relative_to(layout.root).as_posix(), str(allocation["sha256"])))
    return [{"path": path, "sha256": checksum} for path, checksum in sorted(found)]


def seeds(study: Study) -> dict[str, int]:
    """Return every seed of the configuration by its key path."""
    found: dict[str, int] = {}

    def walk(node: Any, path: str) -> None:
        if isinstance(node, dict):
            for key, value in node.items():
                if key == "seed" and isinstance(value, int):
                    found[f"{path}{key}"] = value
                walk(value, f"{path}{key}.")
        elif isinstance(node, list):
            for i, value in enumerate(node):
                walk(value, f"{path}{i}.")

    for name, model in config_parts(study).items():
        walk(model, f"{name}: ")
    return dict(sorted(found.items()))


def config_parts(study: Study) -> dict[str, Any]:
    """Return the content of each configuration file, as read: without comments and layout, with defaults filled in."""
    models = {
        "study.yaml": study.config,
        "analysis.yaml": study.plan,
        "displays.yaml": study.displays,
        "simulation.yaml": study.simulation,
        **{f"instruments/{name}.yaml": study.instruments[name] for name in sorted(study.instruments)},
    }
    return {name: model.model_dump(mode="json") for name, model in models.items() if model is not None}


def config_checksums(study: Study) -> list[dict[str, str]]:
    """Return the checksum of each configuration file's content: a changed comment changes none."""
    return [
        {"path": f"config/{name}", "content_sha256": content_checksum(content)}
        for name, content in config_parts(study).items()
    ]


def code_checksums() -> list[dict[str, str]]:
    """Return the checksum of every module of the package."""
    modules = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))
    return [{"path": f"{PACKAGE.name}/{path}", "sha256": sha256(PACKAGE / path)} for path in modules]


def result_files(layout: Layout) -> list[Path]:
    """Return the files of the results folder that are published results, in order of their paths."""
    found = [
        path
        for path in layout.results.rglob("*")
        if path.is_file()
        and not path.name.startswith(".")
        and path.name != "README.md"
        and not path.is_relative_to(layout.progress_folder)
    ]
    return sorted(path for path in found if path.relative_to(layout.results).as_posix() not in MADE_AFTER)


def checksums(root: Path, paths: list[Path]) -> list[dict[str, Any]]:
    """Return path below ``root``, size and SHA-256 checksum of each file."""
    return [
        {"path": path.relative_to(root).as_posix(), "bytes": path.stat().st_size, "sha256": sha256(path)}
        for path in paths
    ]


def changed_outputs(folder: Path, content: dict[str, Any]) -> list[Problem]:
    """Return a problem for every result file that is not as the manifest of its folder says.

    Args:
        folder: the results folder.
        content: its manifest.
    """
    problems = []
    for entry in content.get("outputs", []):
        name = str(entry["path"]).partition("/")[2]
        path = folder / name
        if not path.is_file():
            problems.append(Problem(name, "no such file", "the file that the manifest lists"))
        elif (found := sha256(path)) != entry["sha256"]:
            problems.append(Problem(name, f"sha256 {found[:16]}", f"sha256 {str(entry['sha256'])[:16]} (manifest)"))
    return problems


def write_durations(layout: Layout) -> None:
    """Write the seconds that each step of the last run took, from the workflow's own records (none: a header alone)."""
    seconds: dict[str, tuple[float, float]] = {}
    for path in sorted((layout.root / ".snakemake" / "metadata").glob("*")):
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            rule, begun, ended = str(record["rule"]), float(record["starttime"]), float(record["endtime"])
        except (OSError, ValueError, KeyError, TypeError):
            continue  # of a step that is running, or of another version of the workflow's program
        if begun >= seconds.get(rule, (0.0, 0.0))[0]:
            seconds[rule] = (begun, ended)
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["step", "seconds"])
    for rule, (begun, ended) in sorted(seconds.items(), key=lambda item: item[1]):
        table.writerow([rule, f"{ended - begun:.1f}"])
    write_text(layout.durations, text.getvalue())
