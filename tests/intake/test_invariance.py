"""What intake makes of raw files does not depend on the order of their rows and columns, nor on columns it ignores."""

from __future__ import annotations

import csv
import io
import re

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intake.studies import PEOPLE, VISITS, make_study, received, rows_of, study_config

# Faults of many kinds; every row can still be anywhere.
FILES = {
    "people.csv": rows_of(
        PEOPLE.replace("60.5", "about 60").replace("2020-01-12", "43842").replace("P4,2,19", "P4,9,")
        + "P1,1,25,about 60,2020-01-10\nP2,2,31,71,\np3,1,41,55.25,43842\nP5,,70,,2020-02-30\n,1,33,40,\n"
    ),
    "visits.csv": rows_of(
        VISITS.replace("3,2,1", "3,9,").replace("2020-07-11", "2019-07-11").replace("P4,month6", "P4,MONTH6")
        + "P1,baseline,2020-01-05,0,1,2\nP3,baseline,2020-01-08,1,1,\nP9,baseline,2020-01-05,1,1,1\n"
        + "P2,week2,2020-02-01,0,0,0\np2 ,month6,,1,2,3\nP3,month6,,,,\n"
    ),
}
Table = list[list[str]]
Received = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]


def intake_of(factory: pytest.TempPathFactory, files: dict[str, Table], ignore: list[str]) -> Received:
    raw: dict[str, str | bytes] = {}
    for name, rows in files.items():
        held = io.StringIO()
        csv.writer(held).writerows(rows)
        raw[name] = held.getvalue()
    study = study_config()
    for file in study["files"]:
        file["ignore"] = ignore
    return received(make_study(factory.mktemp("study"), study, raw))


def asked(queries: pd.DataFrame) -> list[tuple[str, ...]]:
    """Return the queries apart from where the rows stand: without numbers of rows, and conflicting values in order."""
    table = queries.drop(columns=["query_id", "row"]).to_dict("records")
    for query in table:
        found = re.sub(r"rows? \d+( and \d+)*:? ?", "", query["found"])
        query["found"] = " and ".join(sorted(found.split(" and ")))
    return sorted(tuple(query.values()) for query in table)


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Received:
    return intake_of(tmp_path_factory, FILES, [])


def test_the_files_hold_faults_of_many_kinds(usual: Received) -> None:
    assert set(usual[2]["rule"]) == {
        "bad-date",
        "code-spelling",
        "conflicting-values",
        "date-serial",
        "duplicate-row",
        "id-spelling",
        "missing-required",
        "no-unit",
        "not-a-number",
        "out-of-range",
        "unknown-code",
        "unknown-unit",
        "unknown-visit",
        "visit-before-randomisation",
    }


@st.composite
def shuffled(draw: st.DrawFn) -> dict[str, Table]:
    files = {}
    for name, (header, *body) in FILES.items():
        order = draw(st.permutations(range(len(header))))
        files[name] = [[row[i] for i in order] for row in [header, *draw(st.permutations(body))]]
    return files


@settings(max_examples=15, deadline=None)
@given(files=shuffled())
def test_the_order_of_rows_and_columns_changes_nothing(
    files: dict[str, Table], usual: Received, tmp_path_factory: pytest.TempPathFactory
) -> None:
    participants, visits, queries = intake_of(tmp_path_factory, files, [])
    pd.testing.assert_frame_equal(participants, usual[0])
    pd.testing.assert_frame_equal(visits, usual[1])
    assert asked(queries) == asked(usual[2])


@st.composite
def with_an_extra_column(draw: st.DrawFn) -> dict[str, Table]:
    """Return the files with a column of any text at any place of one of them."""
    name = draw(st.sampled_from(sorted(FILES)))
    rows = FILES[name]
    at = draw(st.integers(0, len(rows[0])))
    text = st.text(alphabet='ab ;,"\n=é', max_size=6)
    cells = ["extra", *draw(st.lists(text, min_size=len(rows) - 1, max_size=len(rows) - 1))]
    return FILES | {name: [[*row[:at], cell, *row[at:]] for row, cell in zip(rows, cells, strict=True)]}


@settings(max_examples=15, deadline=None)
@given(files=with_an_extra_column())
def test_an_ignored_column_changes_nothing(
    files: dict[str, Table], usual: Received, tmp_path_factory: pytest.TempPathFactory
) -> None:
    for found, before in zip(intake_of(tmp_path_factory, files, ["extra"]), usual, strict=True):
        pd.testing.assert_frame_equal(found, before)


@settings(max_examples=15, deadline=None)
@given(files=with_an_extra_column())
def test_an_undeclared_column_adds_one_query(
    files: dict[str, Table], usual: Received, tmp_path_factory: pytest.TempPathFactory
) -> None:
    participants, visits, queries = intake_of(tmp_path_factory, files, [])
    pd.testing.assert_frame_equal(participants, usual[0])
    pd.testing.assert_frame_equal(visits, usual[1])
    added = queries["rule"] == "undeclared-column"
    assert queries.loc[added, "variable"].tolist() == ["extra"]
    pd.testing.assert_frame_equal(queries[~added].reset_index(drop=True), usual[2])
