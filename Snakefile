# The map of the whole analysis: which file is made from which.
#
# `snakemake --cores 2` analyses the study in this folder; `snakemake --cores 2 --directory examples/NAME` another one.
# Each rule is one verb of the command line, which can be typed by hand. What a rule depends on beside its input files is
# in its params: the source that its verb can import, and the parts of the configuration that it reads.

import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

from pipanalysis.errors import PipError
from pipanalysis.progress.inputs import progress_inputs
from pipanalysis.progress.outputs import page_assets, progress_outputs
from pipanalysis.reproduce.fingerprint import package_checksum, part_fingerprint, source_fingerprint
from pipanalysis.simulate.guard import refuse_foreign_raw_files
from pipanalysis.study.event_tables import family_tables, intercurrent_tables
from pipanalysis.study.load import load_study
from pipanalysis.study.plan import BLINDED_FAMILIES

min_version("9.20")

os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])

try:
    study = load_study(Path())
    refuse_foreign_raw_files(study)
except PipError as error:
    raise WorkflowError(str(error)) from None

at, config_, plan = study.layout, study.config, study.plan
open_files = [file for file in config_.files if not file.closed and (file.required or (at.raw / file.path).exists())]
closed_files = [file for file in config_.files if file.closed and (file.required or (at.raw / file.path).exists())]
families = study.families()
# To start Python and import its statistics packages takes longer than the fits of these families: they share a process.
# What reads event tables stays apart from what does not.
TOGETHER = {
    "short_families": ("describe", "binary", "categorical", "association"),
    "statsmodels_families": ("mixed_model", "ancova"),
    "event_families": ("safety", "treatment_received", "flow"),
}
together = {step: [family for family in members if family in families] for step, members in TOGETHER.items()}
alone = {family: [family] for family in families if family not in sum(TOGETHER.values(), ())}
estimated = {step: members for step, members in (together | alone).items() if members}
SLOWEST_FIRST = ("short_families", "statsmodels_families")  # begun last, the slowest would keep one core waiting
lock = study.lock.sha256 if study.lock else None
statuses = {name: found.status for name, found in study.statuses.items()}
data_parts = (config_.visits, config_.sites, config_.variables, config_.files, study.instruments)
set_parts = (plan.analysis_sets, plan.outcomes)
display_parts = (config_, study.instruments, plan, study.displays.digits, lock)


if not study.analysed:
    print(f"{config_.study.id}: a study without arms and without analysis; only its progress is made.", file=sys.stderr)


if config_.study.data == "synthetic":

    rule simulate:
        output:
            [at.raw / file.path for file in config_.files],
            at.raw / config_.allocation.path,
            at.truth,
            at.faults,
        params:
            source=source_fingerprint("simulate.step"),
            parts=part_fingerprint(config_, study.instruments, study.simulation),
        shell:
            "pipanalysis simulate --quiet"


rule intake:
    input:
        [at.raw / file.path for file in open_files],
    output:
        at.checked_participants,
        at.checked_visits,
        [at.checked_events(file.events.name) for file in open_files if file.events],
        at.queries,
        at.intake_record,
    params:
        source=source_fingerprint("intake.step"),
        parts=part_fingerprint(*data_parts),
    shell:
        "pipanalysis intake --quiet"


rule derive:
    input:
        at.checked_participants,
        at.checked_visits,
    output:
        at.participants,
        at.assessments,
        at.scores,
        at.derive_counts,
    params:
        source=source_fingerprint("derive.step"),
        parts=part_fingerprint(*data_parts, *set_parts),
    shell:
        "pipanalysis derive --quiet"


# Blinded: made from what intake and derive write before the arm is joined, and from nothing else. The history of earlier
# pages (data/progress) is no output: it is added to, and never made again.
rule progress:
    input:
        progress_inputs(study),
    output:
        progress_outputs(study),
    params:
        source=source_fingerprint("progress.step"),
        parts=part_fingerprint(*data_parts, config_.study, config_.recruitment, study.progress, *page_assets()),
        as_of=str(config.get("as_of") or ""),
    shell:
        "pipanalysis progress --quiet --as-of '{params.as_of}'"


if closed_files and not study.masked:

    rule intake_closed:
        input:
            [at.raw / file.path for file in closed_files],
            at.checked_participants,
        output:
            [at.closed_events(file.events.name) for file in closed_files if file.events],
            at.closed_queries,
            at.closed_record,
        params:
            source=source_fingerprint("intake.step"),
            parts=part_fingerprint(*data_parts),
        shell:
            "pipanalysis intake --closed --quiet"


rule allocate:
    input:
        at.participants,
        [] if study.masked or not study.analysed else at.raw / config_.allocation.path,
        [] if study.masked or not config_.sessions else at.closed_events(config_.sessions.table),
        at.assessments,
        intercurrent_tables(study),
    output:
        at.analysis_participants,
        at.allocation_record,
    params:
        source=source_fingerprint("derive.allocation"),
        parts=part_fingerprint(
            config_.arms,
            config_.randomisation,
            config_.allocation,
            config_.sessions,
            config_.study.blinding,
            config_.study.without_lock,
            config_.study.seed,
            plan.intercurrent_events,
            lock,
            *set_parts,
        ),
    shell:
        "pipanalysis allocate"


for step, members in estimated.items():

    rule:
        name:
            step
        input:
            at.participants if set(members) <= set(BLINDED_FAMILIES) else at.analysis_participants,
            at.scores,
            sorted({table for family in members for table in family_tables(study, family)}),
        output:
            [at.family(family) for family in members],
            [at.draws(analysis.name) for analysis in study.family_analyses("bayes")] if "bayes" in members else [],
        threads: 2 if "bayes" in members else 1
        params:
            source=source_fingerprint("estimate.step"),
            parts=part_fingerprint(*(study.family_parts(family) for family in members)),
            families=members,
        priority: 1 if step in SLOWEST_FIRST else 0
        shell:
            "pipanalysis estimate {params.families} --quiet"


rule collect:
    input:
        [at.family(family) for family in families],
    output:
        at.estimates,
        at.estimates_csv,
    params:
        source=source_fingerprint("estimate.step"),
        parts=part_fingerprint(families, plan.families, plan.analyses, statuses),
    shell:
        "pipanalysis collect"


rule tables:
    input:
        at.estimates,
        at.allocation_record,
    output:
        [at.table(table.name, ending) for table in study.displays.tables for ending in study.displays.table_endings()],
    params:
        source=source_fingerprint("display.step"),
        parts=part_fingerprint(*display_parts, study.displays.tables, study.displays.formats),
    shell:
        "pipanalysis tables"


# In two lots: together they take longer than anything beside them, and one core would wait. The first lot is shorter by
# what the tables take, which follow it.
for step, lot in study.displays.figure_lots().items():

    rule:
        name:
            step
        input:
            at.estimates,
            at.allocation_record,
        output:
            [at.figure(figure.name, ending) for figure in lot for ending in study.displays.figure_endings()],
        params:
            source=source_fingerprint("display.step"),
            parts=part_fingerprint(*display_parts, lot, study.displays.figure_formats),
            names=[figure.name for figure in lot],
        priority: 1
        shell:
            "pipanalysis figures {params.names}"


# After the others, whose tables and pictures it takes.
rule report:
    input:
        at.estimates,
        at.allocation_record,
        rules.tables.output,
        [getattr(rules, step).output for step in study.displays.figure_lots()],
    output:
        [at.report(ending) for ending in study.displays.report_formats],
    params:
        source=source_fingerprint("display.step"),
        parts=part_fingerprint(config_, study.instruments, plan, study.displays, lock),
    shell:
        "pipanalysis report"


made = [Path(path) for above in workflow.rules if above.name != "progress" for path in above.output]


rule manifest:
    input:
        [path for path in made if at.results in path.parents],
        at.intake_record,
        at.participants,
        at.allocation_record,
        [at.closed_record] if closed_files and not study.masked else [],
    output:
        at.manifest,
        at.durations,
    params:
        source=package_checksum(),
        parts=part_fingerprint(config_, study.instruments, plan, study.displays, study.simulation, lock),
    shell:
        "pipanalysis manifest"


# Not the results alone: a step that was killed has lost its output, and is not made again unless that is asked for.
rule all:
    default_target: True
    input:
        [path for path in made if at.raw not in path.parents] if study.analysed else progress_outputs(study),
        rules.manifest.output if study.analysed else [],
