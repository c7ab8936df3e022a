import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from pipanalysis.files import folder_aside, sha256, whole_file, write_csv, write_json, write_parquet, write_text


def test_a_failed_writer_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    write_text(path, "old\n")
    with pytest.raises(RuntimeError), whole_file(path) as aside:  # noqa: PT012
        aside.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old\n"
    assert list(tmp_path.iterdir()) == [path]


def test_same_content_same_bytes_and_numbers_read_back_equal(tmp_path: Path) -> None:
    frame = pd.DataFrame({"unit": ["a", None], "x": [0.1 + 0.2, 1 / 3]})
    for writer, name in ((write_csv, "x.csv"), (write_parquet, "x.parquet")):
        writer(tmp_path / "one" / name, frame)
        writer(tmp_path / "two" / name, frame)
        assert sha256(tmp_path / "one" / name) == sha256(tmp_path / "two" / name)
    assert pd.read_csv(tmp_path / "one" / "x.csv")["x"].tolist() == frame["x"].tolist()


def test_json_refuses_what_is_not_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Out of range"):
        write_json(tmp_path / "x.json", {"x": float("nan")})
    assert not any(tmp_path.iterdir())


def test_a_folder_aside_is_removed_with_what_killed_processes_left_and_none_of_a_running_one(tmp_path: Path) -> None:
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    left, running = tmp_path / f".x.{int(gone.stdout)}-0123abcd", tmp_path / f".x.{os.getppid()}-0123abcd"
    for folder in (left, running):
        (folder / "within").mkdir(parents=True)
    with folder_aside(tmp_path, "x") as aside:
        assert not left.exists()
        assert list(aside.iterdir()) == []
        (aside / "half").mkdir()
    assert list(tmp_path.iterdir()) == [running]
    with pytest.raises(RuntimeError), folder_aside(tmp_path, "x") as aside:  # noqa: PT012
        (aside / "half").write_text("half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == [running]
    with folder_aside(tmp_path, "x") as aside:
        aside.rename(tmp_path / "x")
    assert {path.name for path in tmp_path.iterdir()} == {"x", running.name}
