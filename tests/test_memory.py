"""Too little memory is said before anything is loaded, and nothing waits for threads that the system did not allow."""

import resource
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from pipanalysis import files, memory
from pipanalysis.files import read_parquet, write_parquet
from pipanalysis.memory import LEAST_ADDRESSES, MEGABYTE, SAMPLER_ADDRESSES, ScarceMemoryError, refuse_scarce_memory

VERB = [sys.executable, "-c", "from pipanalysis.cli import main; main()"]


def limited(megabytes: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    size = megabytes * MEGABYTE
    return subprocess.run(
        [*VERB, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (size, size)),
    )


@pytest.mark.parametrize("megabytes", [100, 250, 450, 600, 900])
def test_a_limit_below_what_any_step_needs_is_told_with_both_numbers(root: Path, megabytes: int) -> None:
    done = limited(megabytes, "check", "--study", str(root))
    assert done.returncode == 16, done.stderr
    assert done.stderr == (
        f"memory: {megabytes} MB of addresses, a limit set for this process (ulimit -v), where at least "
        f"{LEAST_ADDRESSES // MEGABYTE} MB are needed; nothing was written. Run fewer steps at once (--cores 1)\n"
    )


@pytest.mark.parametrize("megabytes", [1000, 1900])
def test_a_limit_below_what_the_sampler_needs_is_told_before_it_starts(root: Path, megabytes: int) -> None:
    done = limited(megabytes, "estimate", "bayes", "--study", str(root / "examples" / "beat-the-blues"))
    assert done.returncode == 16, done.stderr
    assert f"at least {SAMPLER_ADDRESSES // MEGABYTE} MB are needed" in done.stderr


@pytest.mark.parametrize("megabytes", [1000, 1500])
def test_at_the_limit_and_above_it_a_plan_is_checked(root: Path, megabytes: int) -> None:
    done = limited(megabytes, "check", "--study", str(root / "examples" / "beat-the-blues"))
    assert done.returncode == 0, done.stderr


def test_a_machine_with_little_memory_left_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    told = tmp_path / "meminfo"
    monkeypatch.setattr(memory, "_MEMORY_INFO", told)
    told.write_text("MemTotal: 8000000 kB\nMemAvailable:   102400 kB\nSwapFree:   51200 kB\n")
    with pytest.raises(ScarceMemoryError, match=r"^150 MB of memory that is free on this machine"):
        refuse_scarce_memory()
    told.write_text("MemTotal: 8000000 kB\nMemAvailable:   102400 kB\nSwapFree:   512000 kB\n")
    refuse_scarce_memory()
    told.write_text("MemTotal: 8000000 kB\nMemFree: 1 kB\n")  # an old Linux, which does not tell what is available
    refuse_scarce_memory()


def test_a_container_with_too_low_a_limit_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(memory, "_CONTAINER_LIMIT", limit)
    limit.write_text(f"{256 * MEGABYTE}\n")
    with pytest.raises(ScarceMemoryError, match=r"^256 MB of memory, the limit of this container"):
        refuse_scarce_memory()
    limit.write_text("max\n")
    refuse_scarce_memory()


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux, which lists a process's threads")
def test_a_file_is_read_without_a_thread_more(tmp_path: Path) -> None:
    """Where none can be begun, Arrow's readers wait for ever for one."""
    write_parquet(tmp_path / "x.parquet", pd.DataFrame({"a": range(50_000), "b": ["x"] * 50_000}))
    code = (
        "import sys, threading\nfrom pathlib import Path\nimport pandas, pyarrow.parquet\n"
        "from pipanalysis.files import read_parquet\n"
        "def threads(): return len(list(Path('/proc/self/task').iterdir()))\n"
        "before = threads()\nframe = read_parquet(Path(sys.argv[1]))\nprint(len(frame), threads() - before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "x.parquet")], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["50000", "0"]


def test_what_is_read_is_what_was_written_and_a_missing_column_is_told(tmp_path: Path) -> None:
    frame = pd.DataFrame({"unit": ["a", None], "x": [1.5, 2.5], "n": pd.array([1, None], dtype="Int64")})
    write_parquet(tmp_path / "x.parquet", frame)
    pd.testing.assert_frame_equal(read_parquet(tmp_path / "x.parquet"), frame)
    pd.testing.assert_frame_equal(read_parquet(tmp_path / "x.parquet", ["n", "unit"]), frame[["n", "unit"]])
    with pytest.raises(files.DataError, match="absent"):
        read_parquet(tmp_path / "x.parquet", ["unit", "absent"])


def test_a_file_is_not_called_damaged_for_want_of_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    def exhausted(*_: object, **__: object) -> None:
        raise pa.ArrowMemoryError("malloc of size 64 failed")

    write_parquet(tmp_path / "x.parquet", pd.DataFrame({"a": [1]}))
    monkeypatch.setattr(parquet, "ParquetFile", exhausted)
    with pytest.raises(MemoryError):
        read_parquet(tmp_path / "x.parquet")


@pytest.mark.parametrize(
    "error", [RuntimeError("can't start new thread"), OSError(12, "Cannot allocate memory"), MemoryError()]
)
def test_what_the_system_refuses_a_library_ends_as_want_of_memory(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    from pipanalysis import cli

    def refused() -> None:
        raise error

    monkeypatch.setattr(cli, "app", refused)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 16
    assert capsys.readouterr().err.startswith("memory: not enough for this step")


def test_another_error_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    from pipanalysis import cli

    def broken() -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(cli, "app", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        cli.main()
