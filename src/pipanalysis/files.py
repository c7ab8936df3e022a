"""Files and folders appear whole or not at all: every writer writes aside and renames."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipanalysis.errors import DataError, Problem

if TYPE_CHECKING:
    import pandas as pd


_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a name beside ``path`` to write to; on success it replaces ``path`` in one step, on failure it is removed.

    The temporary name starts with a dot, names the process, and keeps the ending, which some writers go by. What a
    process that was killed left behind is removed when the file is next written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in _left_by_the_killed(path.parent, path.stem, path.suffix):
        left.unlink(missing_ok=True)
    aside = path.with_name(_aside(path.stem, path.suffix))
    try:
        aside.touch()  # a folder that cannot be written is told in the system's words, not in some writer's
        yield aside
        with aside.open("rb+") as written:
            os.fsync(written.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def folder_aside(parent: Path, name: str) -> Iterator[Path]:
    """Give an empty folder below ``parent`` to write to, which is removed at the end with what is still in it.

    Its name starts with a dot and names the process; those that killed processes left behind are removed first.
    """
    parent.mkdir(parents=True, exist_ok=True)
    for left in _left_by_the_killed(parent, name, ""):
        shutil.rmtree(left, ignore_errors=True)
    aside = parent / _aside(name, "")
    try:
        aside.mkdir()
        yield aside
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _aside(stem: str, ending: str) -> str:
    return f".{stem}.{os.getpid()}-{secrets.token_hex(4)}{ending}"


def _left_by_the_killed(parent: Path, stem: str, ending: str) -> Iterator[Path]:
    for left in parent.glob(f".{escape(stem)}.*{escape(ending)}"):
        made = re.fullmatch(rf"\.{re.escape(stem)}\.(\d+)-[0-9a-f]{{8}}{re.escape(ending)}", left.name)
        if made and not _running(int(made[1])):
            yield left


def _running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's
        return True
    return True


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8 with unix line ends."""
    with whole_file(path) as aside:
        aside.write_text(text, encoding="utf-8", newline="\n")


def write_bytes(path: Path, content: bytes) -> None:
    """Write ``content`` as it is."""
    with whole_file(path) as aside:
        aside.write_bytes(content)


def write_json(path: Path, content: Any) -> None:
    """Write ``content`` as indented JSON in the order given."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_csv(path: Path, frame: pd.DataFrame) -> None:
    """Write ``frame`` as CSV at full precision (shortest form that reads back to the same number).

    Text that a spreadsheet would run as a formula gets an apostrophe before it, which spreadsheets take for text.
    """
    texts = [name for name in frame if frame[name].dtype.kind not in "biufM"]
    safe = frame.assign(**{str(name): frame[name].map(_no_formula) for name in texts})
    safe.columns = [_no_formula(name) for name in safe.columns]
    with whole_file(path) as aside:
        safe.to_csv(aside, index=False, lineterminator="\n", encoding="utf-8")


def _no_formula(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) and not _NUMBER.fullmatch(value):
        return f"'{value}"
    return value


def without_apostrophe(value: str) -> str:
    """Return text of a CSV file as it was before `write_csv` kept a spreadsheet from running it."""
    return value[1:] if value.startswith("'") and _no_formula(value[1:]) == value else value


def write_parquet(path: Path, frame: pd.DataFrame) -> None:
    """Write ``frame`` as Parquet; the same frame gives the same bytes."""
    with whole_file(path) as aside:
        frame.to_parquet(aside, index=False, engine="pyarrow", compression="zstd")


def read_parquet(path: Path, columns: list[str] | None = None) -> pd.DataFrame:
    """Read a Parquet file that an earlier step wrote.

    Raises:
        DataError: the file is missing, damaged, or lacks one of ``columns``.
    """
    import pyarrow as pa
    from pyarrow import parquet

    if not path.is_file():
        raise DataError(Problem(str(path), "no such file", "the output of an earlier step of the workflow"))
    try:
        # Without threads: Arrow waits for ever for threads that the system did not let it begin.
        with parquet.ParquetFile(path, pre_buffer=False) as file:
            frame: pd.DataFrame = file.read(columns, use_threads=False).to_pandas(use_threads=False)
        return frame if columns is None else frame[columns]
    except MemoryError:  # Arrow's own is an ArrowException too, and no fault of the file
        raise
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        found = str(error).partition("\n")[0]
        hint = "remove it and run the workflow again"
        raise DataError(Problem(str(path), f"cannot be read: {found}", "a whole Parquet file", hint)) from None


def read_record(path: Path) -> dict[str, Any]:
    """Return a JSON record that an earlier step wrote.

    Raises:
        DataError: it is missing or damaged.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(Problem(str(path), f"cannot be read: {error}", "a record that an earlier step wrote")) from None
    if not isinstance(record, dict):
        raise DataError(Problem(str(path), "no object", "a record that an earlier step wrote"))
    return record


def sha256(path: Path) -> str:
    """Return the SHA-256 checksum of a file in hexadecimal."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
