"""Files of figures: the same bytes every time, fonts that stand in them, and the marks that every form carries."""

from __future__ import annotations

import io
import re
import zlib
from dataclasses import replace

import pytest
from fontTools.ttLib import TTFont

from display import results as made
from display.figures import ANALYSES, ROWS, model_of, shown
from pipanalysis.display.figure_files import rendered
from pipanalysis.display.step import figures
from pipanalysis.estimate.analysis_results import as_results
from pipanalysis.files import sha256, write_json, write_parquet
from pipanalysis.study.load import Study


@pytest.mark.parametrize("form", ["svg", "pdf", "png"])
def test_the_same_results_give_the_same_bytes(form: str) -> None:
    model = model_of("forest", ["Depression"])
    assert rendered(model, [form]) == rendered(model_of("forest", ["Depression"]), [form])


def test_fonts_are_embedded() -> None:
    files = rendered(model_of("trajectories", ["Größe β"]), ["svg", "pdf"])
    assert b"/FontFile2" in files["pdf"]
    assert b"/Type3" not in files["pdf"]
    assert b"<text" not in files["svg"]  # letters are shapes
    programs = [
        zlib.decompress(part) for part in re.findall(rb"stream\r?\n(x\x9c.+?)\r?\nendstream", files["pdf"], re.DOTALL)
    ]
    fonts = [TTFont(io.BytesIO(program)) for program in programs if program[:4] == b"\0\1\0\0"]
    assert fonts
    for font in fonts:
        assert {"glyf", "head", "hhea", "hmtx", "loca", "maxp"} <= set(font.keys())
        assert not {"GSUB", "GPOS", "GDEF"} & set(font.keys())


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Study:
    figured = [made.figure(kind, *ANALYSES[kind]) for kind in ROWS]
    study = made.study(["Depression", "Stress"], figured, folder=tmp_path_factory.mktemp("figures"))
    about = study.config.study.model_copy(update={"data": "synthetic"})
    study = replace(study, config=study.config.model_copy(update={"study": about}))
    write_parquet(
        study.layout.estimates, as_results([row for rows in dict.fromkeys(ROWS.values()) for row in rows(study)])
    )
    write_json(study.layout.allocation_record, {"allocation": "masked"})
    figures(study)
    return study


def test_every_figure_has_its_files_marks_and_words(written: Study) -> None:
    folder = written.layout.figure("", "svg").parent
    endings = written.displays.figure_endings()
    assert {path.name for path in folder.iterdir()} == {f"{kind}.{ending}" for kind in ROWS for ending in endings}
    for kind in ROWS:
        svg = written.layout.figure(kind, "svg").read_text(encoding="utf-8")
        words = written.layout.figure(kind, "txt").read_text(encoding="utf-8")
        numbers = written.layout.figure(kind, "csv").read_text(encoding="utf-8")
        for face in (" ".join(shown(svg)), words, numbers):
            assert "SYNTHETIC DATA" in face
            assert "MASKED ALLOCATION" in face
        alternative = re.search(r"<desc [^>]*>(.*?)</desc>", svg, re.DOTALL)
        assert alternative
        assert len(alternative[1]) > 40
        assert 'role="img"' in svg


def test_all_files_are_the_same_when_made_again(written: Study) -> None:
    folder = written.layout.figure("", "svg").parent
    before = {path.name: sha256(path) for path in folder.iterdir()}
    figures(written)
    assert {path.name: sha256(path) for path in folder.iterdir()} == before
