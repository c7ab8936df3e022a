"""rtflite's rows and texts, and what is added to them. Control words: Rich Text Format specification 1.9.1."""

import re

from hypothesis import given
from hypothesis import strategies as st
from rtflite.row import Cell, Row, TextContent

from display.test_formats import rtf_read
from pipanalysis.display.rtf_parts import FlowingRow, Text, UnmarkedCell, paragraph_rtf, row_rtf, rtf_text

ANY = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]))


def words(rtf: str) -> list[str]:
    """Return the control words of RTF, in their order."""
    return re.findall(r"\\[a-z]+-?\d*", rtf)


def cell(text: TextContent, kind: type[Cell] = Cell) -> Cell:
    sides = dict.fromkeys(("border_left", "border_right", "border_top", "border_bottom"))
    return kind(text=text, width=1.5, **sides)


@given(ANY)
def test_any_text_survives_rtf(text: str) -> None:
    assert rtf_read(rtf_text(text)) == text


@given(ANY)
def test_rtflite_leaves_text_in_rtf_as_it_is(text: str) -> None:
    """Also where it looks like a command of LaTeX, which rtflite translates unless told not to."""
    said = paragraph_rtf(Text(text=rtf_text(text)))
    assert rtf_read(said.partition("{\\f0 ")[2].removesuffix("}\\par}")) == text


def test_a_command_of_latex_is_text() -> None:
    assert "\\\\alpha_1 >= 2" in paragraph_rtf(Text(text=rtf_text("\\alpha_1 >= 2")))


def test_a_row_is_rtflites_that_no_page_divides_and_that_may_repeat() -> None:
    content = [cell(TextContent(text="one")), cell(TextContent(text="two"))]
    theirs = words("\n".join(Row(row_cells=content, justification="l")._as_rtf()))
    for header in (False, True):
        ours = words(row_rtf(FlowingRow(row_cells=content, header=header)))
        before_the_cells = ours[: ours.index("\\cellx2160")]
        added = ["\\trkeep", *(["\\trhdr"] if header else [])]
        assert [word for word in before_the_cells if word in ("\\trkeep", "\\trhdr")] == added
        assert [word for word in ours if word not in added] == theirs


def test_a_cells_text_is_rtflites_in_a_table_with_its_stop_and_its_bond_to_the_next_row() -> None:
    own = {"text": "1.5", "size": 8, "convert": False, "hyphenation": False}
    theirs = words(TextContent(**own)._as_rtf("cell"))
    for keep, point in ((False, None), (True, 720)):
        ours = words(Text(**own, in_table=True, keep=keep, point=point)._as_rtf("cell"))
        added = ["\\intbl", *(["\\keepn"] if keep else []), *(["\\tqdec", f"\\tx{point}"] if point else [])]
        assert [word for word in ours if word in added] == added
        assert [word for word in ours if word not in added] == theirs
        assert ours.index(added[-1]) < ours.index("\\f0")  # paragraph formats end with the group that they stand in


def test_a_paragraph_leaves_no_line_alone_on_a_page() -> None:
    assert words(paragraph_rtf(Text(text="one", keep=True)))[:3] == ["\\pard", "\\widctlpar", "\\keepn"]


def test_an_unmarked_cell_is_rtflites_without_a_say_in_the_height_of_its_row() -> None:
    text = TextContent(text="")
    assert words(cell(text, UnmarkedCell)._as_rtf()) == ["\\clhidemark", *words(cell(text)._as_rtf())]
