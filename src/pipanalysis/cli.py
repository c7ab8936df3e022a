"""The command line: one verb a step of the workflow. Heavy imports sit inside the verb that needs them."""

from __future__ import annotations

import datetime as dt
import errno
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn

import typer

from pipanalysis.errors import PipError
from pipanalysis.memory import SAMPLER_ADDRESSES, ScarceMemoryError, refuse_scarce_memory
from pipanalysis.mmrm.command import register as register_mmrm

if TYPE_CHECKING:
    from pipanalysis.study.load import Study

# Small matrices are slower on several BLAS threads; must be set before numpy is imported.
for _variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")
# The other pools of Arrow set a gigabyte of addresses aside at the start, which a limited process may not have.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")

app = typer.Typer(
    help="Analysis of a randomised controlled trial: from the raw visit files to the tables of the paper.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

StudyFolder = Annotated[Path, typer.Option("--study", help="The study folder: config/, data/, results/.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress bars: for logs.")]
HERE = Path()
BayesSampler = Literal["nutpie", "pymc"]


def _load(folder: Path) -> Study:
    from pipanalysis.study.load import load_study

    return load_study(folder)


def _say(verb: str, done: str) -> None:
    typer.echo(f"{verb}: {done}")


@app.command()
def check(study: StudyFolder = HERE) -> None:
    """Validate a study folder's configuration without running anything."""
    from pipanalysis.estimate.planning import check_whole_plan

    loaded = _load(study)
    check_whole_plan(loaded)
    about = loaded.config.study
    if not loaded.analysed:
        typer.echo(f"{about.id}: valid. A study without arms and without analysis; {about.data} data.")
        return
    typer.echo(
        f"{about.id}: valid. {len(loaded.arms)} arms, {len(loaded.visits)} visits, {len(loaded.instruments)} "
        f"instruments, {len(loaded.scores)} scores, {len(loaded.outcomes)} outcomes, "
        f"{len(loaded.plan.analyses)} analyses, "
        f"{len(loaded.displays.tables)} tables; {about.data} data, {about.blinding} allocation."
    )


@app.command()
def schema(study: StudyFolder = HERE) -> None:
    """Write the JSON Schemas of the configuration files to config/schema/, for editors."""
    from pipanalysis.study.layout import Layout
    from pipanalysis.study.schema import write_schemas

    write_schemas(Layout(study).config / "schema")


@app.command()
def simulate(
    study: StudyFolder = HERE,
    units: Annotated[int | None, typer.Option(min=4, help="Units to randomise (default: the configuration's).")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed (default: the configuration's).")] = None,
    clean: Annotated[bool, typer.Option("--clean", help="Without the faults of real files.")] = False,
    quiet: Quiet = False,
) -> None:
    """Write the raw files of a synthetic trial with a known truth (synthetic studies only)."""
    from pipanalysis.simulate.step import simulate as step

    _say("simulate", step(_load(study), units=units, seed=seed, clean=clean, progress=not quiet))


@app.command()
def twin(
    out: Annotated[Path, typer.Option(help="Study folder to write; not there yet, or empty.")],
    study: StudyFolder = HERE,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed (default: the study's).")] = None,
    min_cell: Annotated[
        int | None,
        typer.Option(min=3, help="Fewest units behind anything shown (default: displays.yaml's, at least 5)."),
    ] = None,
) -> None:
    """Make a synthetic study of the same shape from confidential data, for reviewers who may not see those."""
    from pipanalysis.twin.step import twin as step

    _say("twin", step(_load(study), out, seed=seed, min_cell=min_cell))


@app.command()
def intake(
    study: StudyFolder = HERE,
    closed: Annotated[bool, typer.Option("--closed", help="Only the files that may reveal the arm.")] = False,
    quiet: Quiet = False,
) -> None:
    """Read and check the raw files; list every problem as a data query."""
    from pipanalysis.intake.step import intake as step

    _say("intake, closed files" if closed else "intake", step(_load(study), closed=closed, progress=not quiet))


@app.command()
def derive(study: StudyFolder = HERE, quiet: Quiet = False) -> None:
    """Make participants, assessments, scores and analysis sets from the checked tables."""
    from pipanalysis.derive.step import derive as step

    _say("derive", step(_load(study), progress=not quiet))


@app.command()
def progress(
    study: StudyFolder = HERE,
    as_of: Annotated[
        str | None, typer.Option(help="YYYY-MM-DD, today or latest_in_data (default: config/progress.yaml's).")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Make the trial manager's page and lists, blinded: what to chase, recruitment, follow-up, data queries."""
    from pipanalysis.progress.step import progress as step

    _say("progress", step(_load(study), as_of=as_of, show=not quiet))


@app.command()
def allocate(study: StudyFolder = HERE) -> None:
    """Join the arm (or a masked dummy) to the participants: the one step that reads the allocation."""
    from pipanalysis.derive.allocation import allocate as step

    _say("allocate", step(_load(study)))


@app.command()
def estimate(
    families: Annotated[
        list[str], typer.Argument(help="Method families: describe, mixed_model, ancova, mmrm, binary, bayes, ...")
    ],
    study: StudyFolder = HERE,
    sampler: Annotated[
        BayesSampler | None, typer.Option(help="bayes: sampler of the models (default: the plan's).")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Carry out the plan's analyses of method families, in one process."""
    if "bayes" in families:
        refuse_scarce_memory(addresses=SAMPLER_ADDRESSES)
    from pipanalysis.estimate.step import estimate as step

    loaded = _load(study)
    for family in families:
        _say(f"estimate {family}", step(loaded, family, progress=not quiet, sampler=sampler))


@app.command()
def collect(study: StudyFolder = HERE) -> None:
    """Put the results of all families into one dataset: every number that any display shows."""
    from pipanalysis.estimate.step import collect as step

    _say("collect", step(_load(study)))


@app.command()
def tables(study: StudyFolder = HERE) -> None:
    """Render the result tables from the collected results."""
    from pipanalysis.display.step import tables as step

    _say("tables", step(_load(study)))


@app.command()
def lock(
    version: Annotated[str, typer.Option(help="Version of the plan, as its authors count.")],
    date: Annotated[dt.datetime, typer.Option(formats=["%Y-%m-%d"], help="Day on which it is locked.")],
    study: StudyFolder = HERE,
    amend: Annotated[str, typer.Option(help="Why a plan that is locked already gets a new version.")] = "",
) -> None:
    """Lock the plan before the allocation is read: checksums and content of plan, instruments and code."""
    from pipanalysis.reproduce.lock import lock as step

    _say("lock", step(_load(study), version, date.date(), amends=amend))


@app.command()
def manifest(study: StudyFolder = HERE) -> None:
    """Record what made the results: checksums of inputs, configuration, code and outputs, versions, seeds."""
    from pipanalysis.reproduce.manifest import manifest as step

    _say("manifest", step(_load(study)))


@app.command()
def disclose(study: StudyFolder = HERE) -> None:
    """Check that no file of the results gives away a participant (part of `manifest` too)."""
    from pipanalysis.reproduce.disclosure import refuse_disclosures

    _say("disclose", refuse_disclosures(_load(study)))


@app.command()
def verify(
    published: Annotated[Path, typer.Argument(help="Results folder, or file of estimates (csv or parquet).")],
    here: Annotated[Path | None, typer.Option(help="Results of the repetition (default: check those alone).")] = None,
    page: Annotated[Path | None, typer.Option(help="Where the page goes (default: verification.html in HERE).")] = None,
    rounding: Annotated[float, typer.Option(min=0.0, max=1e-3, help="Relative difference that is equal.")] = 1e-10,
    store: Annotated[Path | None, typer.Option(help="Store PUBLISHED in this folder as reference results.")] = None,
) -> None:
    """Compare published results with a repetition, number by number; or check them by themselves."""
    from pipanalysis.reproduce import verify as step

    if store is not None:
        _say("verify", step.store(published, store))
        return
    found = step.verify(published, here, rounding=rounding)
    if page is None and here is not None and here.is_dir():
        page = here / "verification.html"
    if page is not None:
        step.write_page(page, found)
    _say("verify", found.verdict)
    for finding in found.findings[:20]:
        typer.echo(f"  {finding}")
    if len(found.findings) > 20:
        typer.echo(f"  and {len(found.findings) - 20} more")
    if not found.good:
        raise typer.Exit(1)


@app.command()
def crate(
    out: Annotated[Path, typer.Argument(help="The crate's folder, which must not be there yet.")],
    study: StudyFolder = HERE,
    workflow: Annotated[Path, typer.Option(help="The workflow that made the results.")] = Path("Snakefile"),
    date: Annotated[
        dt.datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Day of publication (default: today).")
    ] = None,
    licence: Annotated[str, typer.Option(help="Address of the licence of the results (default: none is given).")] = "",
    report: Annotated[Path | None, typer.Option(help="Snakemake's report of the run, to be taken in.")] = None,
) -> None:
    """Put the results, the plan and how they were made into a Workflow Run RO-Crate, without any data."""
    from pipanalysis.reproduce import crate as step

    day = date.date() if date else dt.datetime.now(dt.UTC).date()
    _say("crate", step.crate(_load(study), workflow, out, day, licence or step.NO_LICENCE, report))


@app.command()
def figures(
    names: Annotated[list[str] | None, typer.Argument(help="Figures of displays.yaml (default: all).")] = None,
    study: StudyFolder = HERE,
) -> None:
    """Render the figures from the collected results."""
    from pipanalysis.display.step import figures as step

    _say("figures", step(_load(study), names))


@app.command()
def report(study: StudyFolder = HERE) -> None:
    """Render one report: methods, results in words, every table and figure, software, CONSORT checklist."""
    from pipanalysis.display.step import report as step

    _say("report", step(_load(study)))


register_mmrm(app)


def _say_no_memory(found: str = "not enough for this step") -> NoReturn:
    sys.stderr.write(f"memory: {found}; nothing was written. Run fewer steps at once (--cores 1)\n")
    sys.exit(16)


def _for_want_of_memory(error: BaseException | None) -> bool:
    """Tell whether a library could not be loaded, code not compiled or no thread begun, for want of memory."""
    told = (
        "failed to map segment",
        "cannot allocate memory",
        "can't start new thread",
        "failed to launch worker thread",
        "error return without exception set",  # CPython at times loses the MemoryError of its own compiler
    )
    seen = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        text = str(error).casefold()
        if isinstance(error, MemoryError) or any(words in text for words in told):
            return True
        error = error.__cause__ or error.__context__
    return False


def main() -> None:
    """Run the command line; a user's error is printed without a traceback and gives its own exit status."""
    try:
        if "numpy" not in sys.modules:
            refuse_scarce_memory()
        app()
    except PipError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_status)
    except BrokenPipeError:
        sys.exit(141)
    except ScarceMemoryError as error:
        _say_no_memory(str(error))
    except MemoryError:
        _say_no_memory()
    except OSError as error:
        if error.errno == errno.ENOMEM:
            _say_no_memory()
        place = f" {error.filename}" if error.filename else ""
        sys.stderr.write(f"file system: {error.strerror or error}{place}\n")
        sys.exit(15)
    except Exception as error:  # any but one for want of memory keeps its traceback
        if not _for_want_of_memory(error):
            raise
        _say_no_memory()
