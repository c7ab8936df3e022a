import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = (
    "pandas",
    "numpy",
    "scipy",
    "statsmodels",
    "pyarrow",
    "pingouin",
    "formulaic",
    "pandera",
    "snakemake",
    "pydantic",
)


def run(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from pipanalysis.cli import main; main()", *arguments]
    environment = {**os.environ, "NO_COLOR": "1", "COLUMNS": "120"}
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, env=environment)


def test_help_names_every_step_and_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom pipanalysis.cli import main\nsys.argv = ['pipanalysis', '--help']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"print('heavy:', [name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for verb in (
        "check",
        "simulate",
        "intake",
        "derive",
        "allocate",
        "estimate",
        "collect",
        "tables",
        "lock",
        "manifest",
        "disclose",
        "verify",
        "mmrm",
    ):
        assert verb in done.stdout
    assert "heavy: []" in done.stdout


def test_check_says_what_the_study_holds(root: Path) -> None:
    done = run("check", cwd=root / "examples" / "beat-the-blues")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("beat_the_blues: valid. 2 arms, 5 visits, 1 instruments, 1 scores, 1 outcomes")


def test_a_bad_configuration_has_its_own_exit_status_and_no_traceback(tmp_path: Path) -> None:
    done = run("check", "--study", str(tmp_path))
    assert done.returncode == 10
    assert done.stderr.startswith("configuration: 3 problems")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "verb",
    [("intake",), ("derive",), ("allocate",), ("estimate", "describe"), ("collect",), ("tables",), ("manifest",)],
)
def test_a_step_without_its_input_says_so(root: Path, tmp_path: Path, verb: tuple[str, ...]) -> None:
    config = tmp_path / "config"
    config.symlink_to(root / "examples" / "beat-the-blues" / "config")
    done = run(*verb, "--study", str(tmp_path))
    assert done.returncode == 11, done.stderr
    assert done.stderr.startswith("data: ")
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.rglob("*.parquet"))
