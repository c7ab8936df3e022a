"""What is read of a file: every word, and no packed data, in which any four characters stand by chance."""

from __future__ import annotations

import base64
import io
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipanalysis.reproduce.readable import readable, words_of


def chunk(kind: bytes, content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")


PICTURE = (
    b"\x89PNG\r\n\x1a\n" + chunk(b"tEXt", b"Title\x00of D014") + chunk(b"IDAT", b"\x00 D015 \x00") + chunk(b"IEND", b"")
)


def test_of_a_picture_the_words_and_not_the_image_data() -> None:
    found = words_of(PICTURE)
    assert b"D014" in found
    assert b"D015" not in found


def test_a_picture_cut_short_is_read_as_far_as_it_goes() -> None:
    assert b"D014" in words_of(PICTURE[:30])


def test_of_a_pdf_what_is_not_packed() -> None:
    packed = zlib.compress(b"x" * 50) + b" D015 "
    file = b"%PDF-1.7\n1 0 obj\n<< /Title (of D014) >>\nendobj\n"
    file += b"2 0 obj\n<< /Length 9 /Filter /FlateDecode >>\nstream\n" + packed + b"\nendstream\nendobj\n"
    file += b"3 0 obj\n<< /Type /Metadata >>\nstream\n<dc:title>D016</dc:title>\nendstream\nendobj\n"
    found = words_of(file)
    assert b"D014" in found
    assert b"D016" in found
    assert b"D015" not in found


def test_of_a_page_the_words_and_not_its_pictures() -> None:
    picture = base64.b64encode(bytes(range(256))) + b"/D015/"
    page = b'<p>D014</p><img src="data:image/png;base64,' + picture + b'" alt="D016"><p>D017</p>'
    found = words_of(page)
    assert all(word in found for word in (b"D014", b"D016", b"D017"))
    assert b"D015" not in found


def test_of_a_parquet_file_each_text(tmp_path: Path) -> None:
    table = pd.DataFrame({"n": np.arange(3), "who": ["a", "D014", "a"]}).astype({"who": "category"})
    table.to_parquet(tmp_path / "x.parquet", compression="zstd")
    ((name, content),) = readable(tmp_path / "x.parquet")
    assert name == ""
    assert b"D014" in content
    assert b"who" in content


def test_of_an_archive_each_file_within(tmp_path: Path) -> None:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("media/one.png", PICTURE)
        archive.writestr("document.xml", "<t>D018</t>")
    (tmp_path / "x.docx").write_bytes(held.getvalue())
    found = dict(readable(tmp_path / "x.docx"))
    assert b"D014" in found["media/one.png"]
    assert b"D015" not in found["media/one.png"]
    assert b"D018" in found["document.xml"]


@pytest.mark.parametrize("content", [b"", b"\x89PNG", b"%PDF", b"data:image/png;base64,"])
def test_files_with_nothing_in_them(content: bytes) -> None:
    assert words_of(content) in (content, b"")
