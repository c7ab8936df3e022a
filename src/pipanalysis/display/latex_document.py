"""A table as a LaTeX document: booktabs rules, a longtable whose head repeats, decimal points one below another."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from functools import cache
from math import ceil
from typing import TYPE_CHECKING

from pipanalysis.display.grid import EMPTY, Line, lines, notes, spanners, split, unbroken
from pipanalysis.display.paper import (
    CM_PER_POINT,
    INDENT,
    LANDSCAPE,
    PORTRAIT,
    SIDE,
    Paper,
    Placed,
    on_paper,
    stay_with_notes,
    text_width,
)
from pipanalysis.display.wording import mark_line, numbered_title

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipanalysis.display.table_model import TableModel

ESCAPES = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "%": r"\%",
    "#": r"\#",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "[": "{[}",
    "]": "{]}",
    "-": "{-}",
    "'": r"\textquotesingle{}",
    "`": r"\textasciigrave{}",
    "\u2212": r"\ensuremath{-}",
    "\u2013": r"\textendash{}",
    "\u2014": r"\textemdash{}",
    "\u00a0": "~",
    "\u2002": r"\enspace{}",
    "\u2003": r"\quad{}",
    "\u2009": r"\,",
    "\u2264": r"\ensuremath{\leq}",
    "\u2265": r"\ensuremath{\geq}",
    "\u2260": r"\ensuremath{\neq}",
    "\u2248": r"\ensuremath{\approx}",
    "\u00b1": r"\ensuremath{\pm}",
    "\u00d7": r"\ensuremath{\times}",
    "\u00b5": r"\ensuremath{\mu}",
    **{raised: rf"\textsuperscript{{{digit}}}" for digit, raised in zip("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹", strict=True)},
    "\u207b": r"\textsuperscript{\ensuremath{-}}",
    "\u2192": r"\ensuremath{\rightarrow}",
    "\u221e": r"\ensuremath{\infty}",
    "\u221a": r"\ensuremath{\surd}",
}
GREEK_NAME = re.compile(r"GREEK (SMALL|CAPITAL) LETTER (FINAL )?(\w+)")
LATIN_CAPITALS = dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEZHIKMNOPTYX", strict=True))
"""Greek capitals that look like Latin ones, for which TeX has no command"""
TEX_NAMES = {"LAMDA": "lambda", "OMICRON": "o"}
LETTERS = (
    "A0-B7 B9-125 128-137 139-13E 141-148 14A-165 168-17E 1C4-1D4 1E2-1E3 1E6-1EB 1F0 1F4-1F5 218-21B 232-233 237 "
    "2C6-2C7 2D8-2D9 2DB-2DD 1E02-1E03 1E0D 1E1E-1E21 1E25 1E30-1E31 1E37 1E43 1E45 1E47 1E5B 1E63 1E6D 1E8E-1E91 "
    "1E9E 1EF2-1EF3 2010-2016 2018-201A 201C-201E 2020-2022 2026 2030-2031 2039-203B 20AC 2116-2117 2122 2190-2193 "
    "FB00-FB06"
)
"""code points beyond ASCII that pdfLaTeX sets in T1 (`t1enc.dfu` and `ts1enc.dfu` of LaTeX)"""
FOOTNOTE = 8
"""size in points of the head and foot of a page (`footnotesize`)"""
HEADINGS = 1000
"""class of marks of e-TeX, which no package uses, for the headings that the first row of a page stands under"""
HAIR = 0.001
"""what a cell over several columns is narrower than they are, in centimetres"""
PREAMBLE = r"""
\documentclass[a4paper]{article}
\usepackage[T1]{fontenc}
\usepackage[utf8]{inputenc}
\usepackage{textcomp,mathptmx,amssymb,array,booktabs,longtable,fancyhdr,geometry}
""".strip()


def latex_document(model: TableModel) -> str:
    """Return a table as a LaTeX document that compiles by itself; the table is a `longtable` that can be copied out.

    Each column of numbers is two columns of LaTeX, which meet at the decimal point. The head of a longtable is the same
    on every page: the headings under which rows go on stand above it, in the head of the page. Notes are its last rows
    where a page has room for them below others.
    """
    paper = _to_hundredths(on_paper(model))
    turned = ",landscape" if paper.landscape else ""
    width = LANDSCAPE if paper.landscape else PORTRAIT
    # The foot of the page grows downwards with what the marks say.
    foot = ceil(text_width(mark_line(model.marks)) * FOOTNOTE * CM_PER_POINT / (0.9 * width))
    bottom = 2 + max(foot - 1, 0) * 1.25 * FOOTNOTE * CM_PER_POINT
    parts = [
        f"% {numbered_title(model)}".replace("\n", " "),
        PREAMBLE,
        f"\\geometry{{margin=2cm,bottom={bottom:.2f}cm,headheight=24pt,headsep=8pt,footskip=18pt{turned}}}",
        "\\pagestyle{fancy}\\fancyhf{}\\renewcommand{\\headrulewidth}{0pt}",
        f"\\fancyfoot[C]{{\\footnotesize {latex_text(mark_line(model.marks))}\\quad \\thepage}}",
        f"\\fancyhead[L]{{\\parbox[b]{{\\textwidth}}{{\\footnotesize\\raggedright\\firstmarks{HEADINGS}}}}}",
        "\\setlength{\\parindent}{0pt}\\setlength{\\parskip}{3pt}\\setlength{\\LTleft}{0pt}",
        "\\setlength{\\tabcolsep}{0pt}\\setlength{\\LTpre}{4pt}\\setlength{\\LTpost}{4pt}\\raggedright",
        "\\begin{document}",
        f"{{\\large\\bfseries {latex_text(numbered_title(model))}}}\n",
        _font(paper.size),
        *(latex_text(line) + "\n" for line in model.lead),
    ]
    note_size: float | None = None
    if model.empty:
        parts += [latex_text(line) + "\n" for line in (*model.marks, EMPTY)]
    else:
        kept, note_size = stay_with_notes(model, paper)
        parts += _table(model, paper, kept, note_size)
    parts += [latex_text(note) + "\n" for note in (notes(model) if note_size is None else [])]
    return "\n".join([*parts, "\\end{document}", ""])


def _to_hundredths(paper: Paper) -> Paper:
    """Return column widths as they are written, so that a cell is as wide as the columns that it covers.

    A wider one would widen a column, so that longtable asks for another run.
    """
    columns = [Placed(round(one.width, 2), None if one.point is None else round(one.point, 2)) for one in paper.columns]
    return replace(paper, stub=round(paper.stub, 2), columns=tuple(columns))


def _table(model: TableModel, paper: Paper, kept: list[bool], note_size: float | None) -> list[str]:
    # LaTeX columns: one of labels, two a column of ours.
    every = 1 + 2 * len(model.columns)
    head = []
    if model.marks:
        mark = f"\\bfseries {latex_text(mark_line(model.marks))}"
        head.append(f"{_wrapped(every, paper.width, 'l', mark, '@{}')}\\\\")
    head.append("\\toprule")
    over = spanners(model)
    if over:
        cells, rules, start = [""], [], 2
        widths = [placed.width for placed in paper.columns]
        for label, covered in over:
            first = start // 2 - 1
            box = f"b{{{_less(sum(widths[first : first + covered]))}}}"
            heading = f"\\centering\\arraybackslash\\bfseries {latex_text(label)}"
            cells.append(f"\\multicolumn{{{2 * covered}}}{{{box}}}{{{heading}}}")
            if label:
                rules.append(f"\\cmidrule(lr){{{start}-{start + 2 * covered - 1}}}")
            start += 2 * covered
        head += [" & ".join(cells) + "\\\\", "".join(rules)]
    cells = [""]
    for column, placed in zip(model.columns, paper.columns, strict=True):
        place = "\\centering" if column.numbers else "\\raggedright"
        inside = f"{place}\\arraybackslash\\bfseries {latex_text(unbroken(column.label))}"
        side = f"@{{\\hspace{{{SIDE if column.numbers else 0:.2f}cm}}}}"
        width = placed.width - 2 * SIDE if column.numbers else placed.width
        cells.append(f"\\multicolumn{{2}}{{{side}b{{{_less(width)}}}{side}}}{{{inside}}}")
    head += [" & ".join(cells) + "\\\\", "\\midrule"]
    below = [] if note_size is None else [_rule(every), *_notes(model, every, paper.room, note_size)]
    stub = f"@{{}}>{{\\raggedright\\arraybackslash}}p{{{paper.stub - SIDE:.2f}cm}}@{{\\hspace{{{SIDE:.2f}cm}}}}"
    return [
        f"\\begin{{longtable}}{{{stub}{''.join(_columns(placed) for placed in paper.columns)}}}",
        _widths(every),
        *head,
        "\\endhead",
        "\\bottomrule",
        "\\endfoot",
        *(["\\endlastfoot"] if below else []),
        *_body(model, paper, every, kept),
        *below,
        "\\end{longtable}",
    ]


def _columns(placed: Placed) -> str:
    """Return the two columns of LaTeX that meet where the decimal points stand."""
    point = round(placed.width / 2, 2) if placed.point is None else placed.point
    return f"w{{r}}{{{point:.2f}cm}}@{{}}w{{l}}{{{placed.width - point:.2f}cm}}"


def _widths(every: int) -> str:
    """Return a row that takes no room and gives the columns their widths, whatever cells over several of them follow.

    No cell of the head stands in one column alone: those over several would widen the last of them, and longtable,
    which takes widths over from one run to the next, would take more runs to settle.
    """
    return f"{' & ' * (every - 1)}\\\\*[-\\normalbaselineskip]"


def _rule(every: int) -> str:
    """Return the rule below the last row where notes follow: that of booktabs, but for a page that may end below it."""
    rule = f"\\multispan{{{every}}}\\leaders\\hrule height \\heavyrulewidth\\hfill\\cr"
    return f"\\noalign{{\\nobreak\\vskip\\aboverulesep}}{rule}\\noalign{{\\nobreak\\vskip\\belowrulesep}}"


def _notes(model: TableModel, every: int, width: float, size: float) -> Iterator[str]:
    """Yield the notes as rows that stay on one page, as wide as the page and without a width to the table."""
    said = notes(model)
    for i, note in enumerate(said, 1):
        inside = f"{_font(size)}\\raggedright\\strut {latex_text(note)}\\strut"
        box = f"\\makebox[0pt][l]{{\\parbox[t]{{{width:.2f}cm}}{{{inside}}}}}"
        yield f"\\multicolumn{{{every}}}{{@{{}}l@{{}}}}{{{box}}}\\\\" + ("*" if i < len(said) else "")


def _body(model: TableModel, paper: Paper, every: int, stays: list[bool]) -> Iterator[str]:
    """Yield the lines of the body and, wherever a page may end, a mark with the headings that the next line is under.

    The mark begins the next page with its line; those of nothing are for the first page and for pages of notes.
    """
    body = lines(model)
    above: list[Line] = []
    yield f"\\noalign{{\\marks{HEADINGS}{{}}}}"
    for line, following, kept in zip(body, [*body[1:], None], stays, strict=True):
        yield _line(line, model, paper, every) + ("*" if kept else "")
        if line.kind != "row":
            above = [one for one in above if _level(one) < _level(line)] + [line]
        if not kept:
            under = ": ".join(one.label for one in above if following and _level(one) < _level(following))
            said = f"\\unexpanded{{{latex_text(under)} (continued)}}" if under else ""
            yield f"\\noalign{{\\penalty0\\marks{HEADINGS}{{{said}}}\\nobreak}}"


def _level(line: Line) -> int:
    return -1 if line.kind == "group" else line.depth


def _line(line: Line, model: TableModel, paper: Paper, every: int) -> str:
    indent = f"{INDENT * line.depth:.1f}cm"
    inset = f"\\hspace*{{{indent}}}" if line.depth else ""
    if line.kind != "row":
        style = "\\bfseries " if line.kind == "group" else ""
        return f"{_wrapped(every, paper.width, 'l', f'{inset}{style}{latex_text(line.label)}', '@{}')}\\\\"
    # A label stands in with every line that it wraps to.
    cells = [(f"\\leftskip={indent}\\relax " if line.depth else "") + latex_text(line.label)]
    for text, column, placed in zip(line.cells, model.columns, paper.columns, strict=True):
        parts = split(text) if placed.point is not None else None
        if parts:
            tail = parts[1].replace(" ", "\u00a0", 1) if parts[1].startswith(" ") else parts[1]
            cells.append(f"{latex_text(parts[0])} & {latex_text(tail)}")
        else:
            cells.append(_wrapped(2, placed.width, "c" if column.numbers else "l", latex_text(text)))
    return " & ".join(cells) + "\\\\"


def _wrapped(covered: int, width: float, place: str, inside: str, edge: str = "") -> str:
    """Return a cell over so many columns of LaTeX whose text goes on in a new line at a width in centimetres."""
    if place == "c":
        return f"\\multicolumn{{{covered}}}{{{edge}p{{{_less(width)}}}}}{{\\centering\\arraybackslash {inside}}}"
    box = f"{edge}p{{{_less(width - SIDE)}}}@{{\\hspace{{{SIDE:.2f}cm}}}}"
    return f"\\multicolumn{{{covered}}}{{{box}}}{{\\raggedright\\arraybackslash {inside}}}"


def _font(size: float) -> str:
    return f"\\fontsize{{{size:g}}}{{{size * 1.2:g}}}\\selectfont"


def _less(width: float) -> str:
    """Return the width of a cell over columns: a hair less than theirs, each of which TeX rounds down."""
    return f"{width - HAIR:.3f}cm"


def latex_text(text: str) -> str:
    """Return text for LaTeX: its own characters escaped, Greek letters (without accents) and signs as mathematics.

    A letter that pdfLaTeX cannot set stands as its code point, as [U+05D0]: it would stop, or leave it out.
    """
    return "".join(_character(character) for character in unicodedata.normalize("NFC", text))


@cache
def _character(character: str) -> str:
    if character in ESCAPES:
        return ESCAPES[character]
    letter = unicodedata.normalize("NFD", character)[0]
    greek = GREEK_NAME.match(unicodedata.name(letter, ""))
    if greek:
        small = TEX_NAMES.get(greek[3], greek[3].lower())
        name = ("var" if greek[2] else "") + (small if greek[1] == "SMALL" else small.capitalize())
        return LATIN_CAPITALS.get(letter) or (name if name == "o" else f"\\ensuremath{{\\{name}}}")
    if character < " ":
        return " "
    return character if character < "\x7f" or ord(character) in _known() else f"{{[}}U+{ord(character):04X}{{]}}"


@cache
def _known() -> frozenset[int]:
    ends = ([int(end, 16) for end in part.split("-")] for part in LETTERS.split())
    return frozenset(code for own in ends for code in range(own[0], own[-1] + 1))
