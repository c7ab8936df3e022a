"""What can be read in a file of the results: all of its text, without data in which a word would stand by chance.

Compressed pictures and pages are random bytes: in a few megabytes of them an id of four characters turns up now and
then. Of PNG pictures the image data are left out, of PDF files the streams that are packed, of pages the pictures and
fonts written in base 64; of netCDF and Parquet files the numbers.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

from pipanalysis.files import read_parquet

PNG = b"\x89PNG\r\n\x1a\n"
IMAGE_DATA = (b"IDAT", b"fdAT")
EMBEDDED = re.compile(rb"(data:[\w/+.;=-]*;base64,)[A-Za-z0-9+/=\s]+")
STREAM = re.compile(rb"(<<(?:(?!>>\s*stream).)*?>>)\s*stream\r?\n.*?endstream", flags=re.DOTALL)


def readable(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield what can be read in a file; of an archive, in each file within, by its name ("" for the file itself)."""
    if path.suffix == ".nc":
        yield "", "\n".join(netcdf_words(path)).encode()
        return
    if path.suffix == ".parquet":
        yield "", "\n".join(parquet_words(path)).encode()
        return
    content = path.read_bytes()
    if not zipfile.is_zipfile(io.BytesIO(content)):
        yield "", words_of(content)
        return
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for entry in archive.infolist():
            yield entry.filename, words_of(archive.read(entry))


def words_of(content: bytes) -> bytes:
    """Return the content of a file without packed data."""
    if content.startswith(PNG):
        return b"\n".join(_png_chunks(content))
    if content.startswith(b"%PDF"):
        return STREAM.sub(lambda found: found[1] if b"/Filter" in found[1] else found[0], content)
    return EMBEDDED.sub(rb"\1", content)


def _png_chunks(content: bytes) -> Iterator[bytes]:
    """Yield every chunk that is not image data; a file that is cut short, from there as it is."""
    at = len(PNG)
    while at + 8 <= len(content):
        length, kind = int.from_bytes(content[at : at + 4], "big"), content[at + 4 : at + 8]
        if kind not in IMAGE_DATA:
            yield kind + b" " + content[at + 8 : at + 8 + length]
        at += 12 + length
    yield content[at:]


def parquet_words(path: Path) -> list[str]:
    """Return the names of a Parquet file's columns, its metadata, and each text that stands in it, once."""
    import pandas as pd
    import pyarrow.parquet as pq

    schema = pq.read_schema(path)
    kept = {key: value for key, value in (schema.metadata or {}).items() if key != b"ARROW:schema"}
    words = [*schema.names, *(f"{key!r} {value!r}" for key, value in kept.items())]
    table = read_parquet(path)
    for column in table.columns:
        if not pd.api.types.is_numeric_dtype(table[column].dtype):
            words += table[column].dropna().astype(str).unique().tolist()
    return words


def netcdf_words(path: Path) -> list[str]:
    """Return the names, attributes and texts of a netCDF file."""
    import h5py

    words: list[str] = []

    def visit(name: str, node: object) -> None:
        words.append(name)
        words.extend(f"{key} {value}" for key, value in node.attrs.items())  # type: ignore[attr-defined]
        if isinstance(node, h5py.Dataset) and node.dtype.kind in "OSU":
            words.extend(map(str, node.asstr()[()].ravel() if node.shape else [node.asstr()[()]]))

    with h5py.File(path) as file:
        words.extend(f"{key} {value}" for key, value in file.attrs.items())
        file.visititems(visit)
    return words
