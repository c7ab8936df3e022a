"""The workflow under faults: killed at any moment, run twice at once, its files damaged, its folder not to be written.

Each ends in a clear message, or in the bytes of an undisturbed run.
"""

import contextlib
import itertools
import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
import yaml

from pipanalysis.cli import main
from pipanalysis.files import sha256, whole_file, write_text
from workflow.conftest import Workflow

VERB = [sys.executable, "-c", "from pipanalysis.cli import main; main()"]


def command(root: Path, folder: Path, *arguments: str) -> list[str]:
    start = [sys.executable, "-m", "snakemake", "--snakefile", str(root / "Snakefile"), "--cores", "2"]
    return [*start, "--directory", str(folder), "--rerun-incomplete", *arguments]


def files(folder: Path) -> list[Path]:
    found = [path for part in ("data", "results") for path in (folder / part).rglob("*") if path.is_file()]
    return [path for path in found if path.name != "durations.csv"]


def made(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): sha256(path) for path in files(folder)}


LONGER = ("bayes", "dropout", "dropout_multiple", "hedges_g", "completeness", "protocol_deviations")
"""analyses without which every step but the sampling is still there, and takes little longer than its start"""


def without_sampling(config: Path) -> None:
    """Take the Bayesian analysis, all that takes long and most displays out of a plan: the other steps still there."""
    for name in ("analysis.yaml", "displays.yaml"):
        content = yaml.safe_load((config / name).read_text(encoding="utf-8"))
        if name == "analysis.yaml":
            analyses = {one["name"]: one for one in content["analyses"] if one["name"] not in LONGER}
            del analyses["primary"]["checks"], analyses["primary"]["delta_adjustments"], content["bayes"]
            analyses["double_programming"]["analyses"] = ["ancova"]
            content["analyses"] = list(analyses.values())
        else:
            for kind, kept in (("tables", 3), ("figures", 2)):
                content[kind] = [one for one in content[kind] if "bayes" not in one["analyses"]][:kept]
                for one in content[kind]:
                    one["analyses"] = [analysis for analysis in one["analyses"] if analysis not in LONGER]
            content |= {"formats": ["html"], "figure_formats": ["svg"], "report_formats": ["html"]}
        (config / name).write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


def carried_out(root: Path, workflow: Workflow, folder: Path, *, sampling: bool) -> Path:
    """Run Beat the Blues in a folder, and write down how long that took."""
    shutil.copytree(root / "examples" / "beat-the-blues" / "config", folder / "config")
    shutil.copytree(root / "examples" / "beat-the-blues" / "data" / "raw", folder / "data" / "raw")
    if not sampling:
        without_sampling(folder / "config")
    began = time.monotonic()
    run = workflow(folder)
    assert run.status == 0, run.said
    write_text(folder / "seconds", f"{time.monotonic() - began:.2f}")
    return folder


@pytest.fixture(scope="module")
def undisturbed(root: Path, workflow: Workflow, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return carried_out(root, workflow, tmp_path_factory.mktemp("faults") / "study", sampling=False)


@pytest.fixture
def folder(undisturbed: Path, tmp_path: Path) -> Path:
    """The finished study in a folder of its own, times of files kept."""
    return Path(shutil.copytree(undisturbed, tmp_path / "study"))


# ---- killed


def whole(path: Path) -> None:
    """Fail where a file under its final name is not whole."""
    if path.suffix == ".parquet":
        pd.read_parquet(path)
    elif path.suffix == ".json":
        json.loads(path.read_text())
    elif path.suffix == ".html" and "rendered" not in path.parts:  # what is kept there are parts of pages
        assert path.read_text().endswith("</html>\n"), path
    elif path.suffix == ".csv":
        assert path.read_bytes().endswith(b"\n"), path


def running(said: str) -> list[str]:
    """Return the steps that Snakemake's log says were begun and not finished."""
    begun = Counter(re.findall(r"^(?:local)?rule (\w+):", said, flags=re.MULTILINE))
    return sorted((begun - Counter(re.findall(r"^Finished jobid: \d+ \(Rule: (\w+)\)", said, re.MULTILINE))).elements())


def kill_again_and_again(
    root: Path, undisturbed: Path, folder: Path, log: Path, kills: int, seed: int
) -> tuple[int, Counter[str]]:
    """Kill runs at random moments, then let one finish.

    Of five kills one strikes a run of everything at any moment from its first second on; the others strike one step
    after the other, in the order of the workflow, at a random moment of it.

    Returns:
        How many runs were killed before their end, and how often which step was running then ("" where it was none).
    """
    generator = random.Random(seed)
    # "" stands for the whole run. They get shorter where runs end sooner, on a machine freer than it was.
    seconds = pd.read_csv(undisturbed / "results" / "durations.csv").set_index("step")["seconds"].to_dict()
    turns = itertools.cycle(list(seconds))
    seconds[""] = float((undisturbed / "seconds").read_text())
    killed = 0
    struck: Counter[str] = Counter()
    for kill in range(kills):
        anywhere = kill % 5 == 4
        step = "" if anywhere else next(turns)
        moment = generator.uniform(min(1.0, seconds[step]) if anywhere else 0.0, seconds[step])
        with log.open("w") as said:
            run = subprocess.Popen(
                command(root, folder, *(("--forceall",) if anywhere else ("--forcerun", step))),
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        while not anywhere and f"rule {step}:\n" not in log.read_text() and run.poll() is None:
            time.sleep(0.02)
        with contextlib.suppress(subprocess.TimeoutExpired):
            run.wait(timeout=moment)
        ended = run.poll() is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(run.pid, signal.SIGKILL)
        run.wait()
        hit = [] if ended else running(log.read_text()) or [""]
        killed += not ended
        struck.update(hit)
        if ended or (step and step not in hit):
            seconds[step] = moment
        for path in files(folder):
            if not path.name.startswith("."):
                whole(path)
        shutil.rmtree(folder / ".snakemake" / "locks", ignore_errors=True)  # all that --unlock does, and sooner
    done = subprocess.run(command(root, folder), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return killed, struck


def test_killed_in_ten_steps_and_twice_anywhere_and_resumed_it_has_the_same_bytes(
    root: Path, undisturbed: Path, folder: Path, tmp_path: Path
) -> None:
    killed, struck = kill_again_and_again(root, undisturbed, folder, tmp_path / "log", 12, 1)
    assert killed >= 8
    assert len(struck) >= 7
    assert made(folder) == made(undisturbed)


@pytest.mark.validation
def test_killed_a_hundred_times_and_resumed_it_has_the_same_bytes(
    root: Path, workflow: Workflow, tmp_path: Path
) -> None:
    whole_study = carried_out(root, workflow, tmp_path / "undisturbed", sampling=True)
    folder = Path(shutil.copytree(whole_study, tmp_path / "study"))
    killed, struck = kill_again_and_again(root, whole_study, folder, tmp_path / "log", 100, 2)
    where = ", ".join(f"{step or 'between steps'} {n}" for step, n in struck.most_common())
    print(f"{killed} of 100 runs were killed before their end; running then: {where}")
    assert made(folder) == made(whole_study)
    assert killed >= 75
    assert set(struck) >= set(pd.read_csv(whole_study / "results" / "durations.csv")["step"])


def test_what_a_killed_writer_left_is_removed_and_that_of_a_running_one_is_not(tmp_path: Path) -> None:
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    left = tmp_path / f".table.{int(gone.stdout)}-0123abcd.csv"
    running = tmp_path / f".table.{os.getppid()}-0123abcd.csv"
    other = tmp_path / f".tables.{int(gone.stdout)}-0123abcd.csv"
    for path in (left, running, other):
        path.write_text("half")
    write_text(tmp_path / "table.csv", "x\n")
    assert {path.name for path in tmp_path.iterdir()} == {"table.csv", running.name, other.name}


def test_a_writer_that_is_killed_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    write_text(path, "old\n")
    code = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom pipanalysis.files import whole_file\n"
        "with whole_file(Path(sys.argv[1])) as aside:\n"
        "    aside.write_text('half')\n    os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert path.read_text() == "old\n"
    assert len(list(tmp_path.iterdir())) == 2
    with whole_file(path) as aside:
        aside.write_text("new\n")
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_text() == "new\n"


# ---- two at once


def test_a_second_run_on_the_same_folder_is_refused_and_the_first_is_whole(
    root: Path, undisturbed: Path, folder: Path
) -> None:
    first = subprocess.Popen(
        command(root, folder, "--forcerun", "mmrm"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    locks = folder / ".snakemake" / "locks"
    until = time.monotonic() + 120
    while not (locks.is_dir() and any(locks.iterdir())) and time.monotonic() < until:
        time.sleep(0.05)
    second = subprocess.run(command(root, folder, "--forceall"), capture_output=True, text=True, check=False)
    assert second.returncode != 0
    assert "cannot be locked" in second.stderr
    assert first.wait(timeout=600) == 0
    assert made(folder) == made(undisturbed)


def test_one_step_twice_at_once_leaves_whole_files(undisturbed: Path, folder: Path) -> None:
    runs = [
        subprocess.Popen([*VERB, "collect", "--study", str(folder)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    assert [run.wait(timeout=300) for run in runs] == [0, 0, 0]
    assert made(folder) == made(undisturbed)


# ---- damaged files


@pytest.mark.parametrize(
    ("file", "verb"),
    [
        ("data/derived/checked/visits.parquet", ("derive",)),
        ("data/derived/participants.parquet", ("allocate",)),
        ("data/derived/scores.parquet", ("estimate", "mmrm")),
        ("data/derived/analysis/participants.parquet", ("estimate", "ancova")),
        ("results/estimates/mmrm.parquet", ("collect",)),
        ("results/estimates.parquet", ("tables",)),
        ("data/derived/analysis/allocation.json", ("tables",)),
        ("data/derived/checked/intake.json", ("manifest",)),
    ],
)
@pytest.mark.parametrize("kept", [0.0, 0.5, 0.99], ids=["emptied", "half", "short"])
def test_a_truncated_file_is_named_and_nothing_is_written(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    file: str,
    verb: tuple[str, ...],
    kept: float,
) -> None:
    truncate(folder / file, kept)
    before = made(folder)
    monkeypatch.setattr(sys, "argv", ["pipanalysis", *verb, "--study", str(folder)])
    with pytest.raises(SystemExit) as ended:
        main()
    refused(ended.value.code, capsys.readouterr().err, folder / file)
    assert made(folder) == before


def truncate(path: Path, kept: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])


def refused(status: object, said: str, path: Path) -> None:
    assert status == 11, said
    assert path.name in said
    assert "cannot be read" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("file", "verb"),
    [
        ("data/derived/checked/visits.parquet", "derive"),
        ("results/estimates.parquet", "tables"),
        ("data/derived/checked/intake.json", "manifest"),
    ],
)
def test_a_process_of_its_own_refuses_a_truncated_file_too(folder: Path, file: str, verb: str) -> None:
    truncate(folder / file, 0.5)
    before = made(folder)
    done = subprocess.run([*VERB, verb, "--study", str(folder)], capture_output=True, text=True, check=False)
    refused(done.returncode, done.stderr, folder / file)
    assert made(folder) == before


def test_a_step_made_again_mends_a_damaged_file(undisturbed: Path, folder: Path, workflow: Workflow) -> None:
    path = folder / "data" / "derived" / "scores.parquet"
    path.write_bytes(path.read_bytes()[:1000])
    run = workflow(folder, "--forcerun", "derive")
    assert run.status == 0, run.said
    assert made(folder) == made(undisturbed)


# ---- a folder that cannot be written, a full disk, too little memory, a clock set back


def unprivileged() -> list[str]:
    """Return what a command needs before it so that permissions bind it, as they do not bind root."""
    if os.geteuid() != 0:
        return []
    if not shutil.which("setpriv"):
        pytest.skip("run as root, and there is no setpriv to do without its privileges")
    return ["setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--inh-caps", "-all"]


def test_a_folder_that_cannot_be_written_is_named(folder: Path) -> None:
    before = made(folder)
    results = folder / "results"
    results.chmod(0o555)
    try:
        done = subprocess.run(
            [*unprivileged(), *VERB, "collect", "--study", str(folder)], capture_output=True, text=True, check=False
        )
    finally:
        results.chmod(0o755)
    assert done.returncode == 15, done.stderr
    assert done.stderr.startswith("file system: Permission denied")
    assert str(results) in done.stderr
    assert made(folder) == before


@pytest.mark.parametrize("size", [0, 4096, 30_000])
def test_a_disk_that_is_full_leaves_the_old_files(folder: Path, size: int) -> None:
    """A limit on the size of files stands in for a disk with that much room."""
    before = made(folder)
    done = subprocess.run(
        [*VERB, "collect", "--study", str(folder)],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)),
    )
    assert done.returncode == 15, done.stderr
    assert "Traceback" not in done.stderr
    after = made(folder)
    assert set(after) == set(before)
    assert after["results/estimates.csv"] == before["results/estimates.csv"]


STARVED = """
import resource, sys
from pathlib import Path
import pipanalysis.intake.step, pipanalysis.intake.read_csv
from pipanalysis.cli import main
pages = int(Path("/proc/self/statm").read_text().split()[0])
limit = pages * resource.getpagesize() + int(sys.argv.pop(1)) * 2**20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
main()
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux, which tells a process its size")
@pytest.mark.parametrize("megabytes", [1, 16, 40])
def test_a_step_without_memory_says_so_and_writes_nothing(folder: Path, megabytes: int) -> None:
    """The system refuses memory beyond what the loaded program has, and so many megabytes more, for 80 MB of rows."""
    raw = folder / "data" / "raw" / "bdi.csv"
    header, *rows = raw.read_text().splitlines()
    raw.write_text("\n".join([header, *rows * (80_000_000 // sum(len(row) + 1 for row in rows))]) + "\n")
    shutil.rmtree(folder / "data" / "derived")
    done = subprocess.run(
        [sys.executable, "-c", STARVED, str(megabytes), "intake", "--quiet", "--study", str(folder)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 16, done.stderr
    assert done.stderr.startswith("memory: not enough for this step; nothing was written.")
    assert "Traceback" not in done.stderr
    assert not list((folder / "data").rglob("*.parquet"))
    assert [path.name for path in raw.parent.glob(".*")] == []


def test_a_library_that_finds_no_memory_is_no_bug(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As pandas tells it: the reason is the cause of another error. One without that reason keeps its traceback."""
    from pipanalysis import cli

    def unloadable(reason: str) -> None:
        raise ImportError("cannot import numpy") from ImportError(reason)

    def uncompiled() -> None:
        raise SystemError("error return without exception set")

    for app in (lambda: unloadable("x.so: failed to map segment from shared object"), uncompiled):
        monkeypatch.setattr(cli, "app", app)
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert ended.value.code == 16
        assert capsys.readouterr().err.startswith("memory: not enough")
    monkeypatch.setattr(cli, "app", lambda: unloadable("No module named numpy"))
    with pytest.raises(ImportError, match="cannot import numpy"):
        cli.main()


def test_a_clock_set_back_is_told_and_changes_no_result(undisturbed: Path, folder: Path, workflow: Workflow) -> None:
    now = time.time()
    for path in files(folder):  # when these were written; since then the clock was set back by a year
        os.utime(path, (now + 365 * 86_400,) * 2)
    run = workflow(folder, "--forcerun", "allocate")
    assert run.status != 0
    assert "clock skew" in run.said
    for path in files(folder):
        os.utime(path, (now, now))
    run = workflow(folder)
    assert run.status == 0, run.said
    assert run.jobs["collect"] == 1
    assert made(folder) == made(undisturbed)


@pytest.mark.parametrize(
    "lost",
    ["results/estimates/mmrm.parquet", "data/derived/analysis/participants.parquet", "data/derived/scores.parquet"],
)
def test_a_step_that_was_killed_is_made_again_with_all_that_rests_on_it(
    undisturbed: Path, folder: Path, workflow: Workflow, lost: str
) -> None:
    """The workflow removes a step's output before it runs the step; the results of before are still there then."""
    (folder / lost).unlink()
    run = workflow(folder)
    assert run.status == 0, run.said
    assert {"mmrm", "collect", "tables", "manifest"} <= set(run.jobs)
    assert made(folder) == made(undisturbed)
