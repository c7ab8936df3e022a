"""The verb `crate`: the published results as a Workflow Run RO-Crate, a folder that a repository can take as it is.

It holds the workflow, the configuration, the results and how they were made; of the raw files the names and checksums
alone. Profiles: Process Run Crate 0.5, Workflow Run Crate 0.5, Workflow RO-Crate 1.0 (w3id.org/ro/wfrun).
"""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipanalysis.errors import ConfigError, DataError, Problem
from pipanalysis.files import folder_aside, read_record
from pipanalysis.reproduce.fingerprint import PACKAGE
from pipanalysis.reproduce.manifest import changed_outputs, result_files

if TYPE_CHECKING:
    from rocrate.rocrate import ROCrate

    from pipanalysis.study.load import Study

PROFILES = (
    ("https://w3id.org/ro/wfrun/process/0.5", "Process Run Crate", "0.5"),
    ("https://w3id.org/ro/wfrun/workflow/0.5", "Workflow Run Crate", "0.5"),
    ("https://w3id.org/workflowhub/workflow-ro-crate/1.0", "Workflow RO-Crate", "1.0"),
)
NO_LICENCE = "https://choosealicense.com/no-permission/"
"""what stands for the licence of the results until those who may give one have given it"""
CODE_LICENCE = "https://spdx.org/licenses/GPL-3.0-or-later"


def crate(
    study: Study, workflow: Path, out: Path, date: dt.date, licence: str = NO_LICENCE, report: Path | None = None
) -> str:
    """Write the crate of a study's results.

    Args:
        study: the configuration.
        workflow: the Snakefile.
        out: the crate's folder, which must not be there yet.
        date: of publication.
        licence: address of the licence of the results.
        report: Snakemake's own report of the run, to be taken in.

    Returns:
        What was done, in a line.

    Raises:
        ConfigError: `out` is there already, or is within the results.
        DataError: there is no manifest, or a result is not as it says.
        DisclosureError: a result gives away something of a participant.
    """
    from rocrate.rocrate import ROCrate

    from pipanalysis.reproduce.disclosure import refuse_disclosures

    layout = study.layout
    if out.exists():
        raise ConfigError(Problem(str(out), "there already", "a folder that is not there yet"))
    if out.resolve().is_relative_to(layout.results.resolve()):
        raise ConfigError(Problem(str(out), "a folder within the results", "a folder beside them"))
    for path, what in ((workflow, "the Snakefile that made the results"), (report, "Snakemake's report of the run")):
        if path is not None and not path.is_file():
            raise ConfigError(Problem(str(path), "no such file", what))
    manifest = read_record(layout.manifest)
    if wrong := changed_outputs(layout.results, manifest):
        raise DataError(wrong)
    refuse_disclosures(study)
    made = ROCrate(version="1.1")
    about = manifest["study"]
    made.name = f"{about['title']}: results"
    made.description = _description(manifest)
    made.datePublished = date.isoformat()
    made.license = made.add_jsonld({"@id": licence, "@type": "CreativeWork", "name": "Licence of the results"})
    # What the descriptor itself follows is the crate's format; the root names the profiles.
    made.root_dataset["conformsTo"] = [
        made.add_jsonld({"@id": address, "@type": "CreativeWork", "name": name, "version": version})
        for address, name, version in PROFILES
    ]
    action = _action(made, study, manifest, workflow)
    made.root_dataset["mentions"] = action
    if report is not None:
        of_run = {"name": "Snakemake's report of the run", "encodingFormat": "text/html"}
        made.add_file(report, "workflow-report.html", properties=of_run)
    with folder_aside(out.parent, out.name) as aside:
        made.write(aside)
        aside.rename(out)
    return f"{len(action['result'])} results, {len(action['object'])} inputs named ({out / 'ro-crate-metadata.json'})"


def _description(manifest: dict[str, Any]) -> str:
    kind = str(manifest["study"]["data"])
    mark = f"{kind.upper()} DATA: nothing here is a finding. " if kind != "real" else ""
    masked = "Masked allocation: the arms are dummies. " if manifest["study"]["allocation"] == "masked" else ""
    return f"{mark}{masked}Tables, figures, report and every number of the analysis, with what made them."


def _action(made: ROCrate, study: Study, manifest: dict[str, Any], workflow: Path) -> Any:
    """Add the workflow, configuration, results and inputs; return the run that made the results from the inputs."""
    layout = study.layout
    main = made.add_workflow(workflow, "Snakefile", main=True, lang="snakemake")
    main["name"] = "Snakefile"
    main["version"] = manifest["program"]["version"]
    main["license"] = made.add_jsonld({"@id": CODE_LICENCE, "@type": "CreativeWork", "name": "GPL-3.0-or-later"})
    program = {"@id": f"#{PACKAGE.name}", "@type": "SoftwareApplication", "name": PACKAGE.name}
    packages = manifest["environment"]["packages"]
    listed = ", ".join(f"{name} {version}" for name, version in packages.items())
    program |= {"version": manifest["program"]["version"], "softwareRequirements": listed}
    main["softwareRequirements"] = made.add_jsonld(program)
    for path in sorted(layout.config.rglob("*")):
        below = path.relative_to(layout.config)
        if path.is_file() and below.parts[0] != "schema":
            made.add_file(path, f"config/{below.as_posix()}", properties={"name": f"config/{below.as_posix()}"})
    files = [*result_files(layout), layout.manifest, *([layout.durations] if layout.durations.is_file() else [])]
    checksum = {str(entry["path"]): str(entry["sha256"]) for entry in manifest["outputs"]}
    results = []
    for path in files:
        name = path.relative_to(layout.root).as_posix()
        known = {"sha256": checksum[name]} if name in checksum else {}
        results.append(made.add_file(path, name, properties={"name": name, **known}, record_size=True))
    given = [
        made.add_jsonld(
            {
                "@id": f"#{entry['path']}",
                "@type": "CreativeWork",
                "name": str(entry["path"]),
                "sha256": str(entry["sha256"]),
                "conditionsOfAccess": "Not in this crate. Participants' data are confidential.",
            }
        )
        for entry in manifest["inputs"]
    ]
    run = {"@id": "#run", "@type": "CreateAction", "name": f"{manifest['study']['id']}: the workflow's run"}
    begun, ended = _times(layout.root)
    run |= {"startTime": begun, "endTime": ended} if begun else {}
    action = made.add_jsonld(run)
    action["instrument"], action["object"], action["result"] = main, given, results
    action["actionStatus"] = "http://schema.org/CompletedActionStatus"
    return action


def _times(root: Path) -> tuple[str, str]:
    """Return when the workflow's first step began and its last ended, by its own records; "" where there are none."""
    begun, ended = [], []
    for path in (root / ".snakemake" / "metadata").glob("*"):
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            begun.append(float(record["starttime"]))
            ended.append(float(record["endtime"]))
        except (OSError, ValueError, KeyError, TypeError):
            continue  # of a step that is running, or of another version of the workflow's program
    if not begun:
        return "", ""
    first, last = dt.datetime.fromtimestamp(min(begun), dt.UTC), dt.datetime.fromtimestamp(max(ended), dt.UTC)
    return first.isoformat(timespec="seconds"), last.isoformat(timespec="seconds")
