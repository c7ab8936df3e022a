from pathlib import Path

import pandas as pd
import pytest

from pipanalysis.files import sha256, whole_file, write_csv, write_json, write_parquet, write_text


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
