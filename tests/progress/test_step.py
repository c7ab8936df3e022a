"""The verb `progress` as a whole: what it shows, in every state of a trial; the same bytes; nothing of an arm."""

from __future__ import annotations

import datetime as dt
import html
import json
import re
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest

from pipanalysis.errors import ConfigError, DataError
from pipanalysis.progress.outputs import progress_outputs
from pipanalysis.progress.step import progress
from pipanalysis.study.load import Study
from progress import trials

NASTY = '<script>alert("x")</script>'


def words(page: str) -> str:
    """The text that a reader sees, without tags, script and style."""
    body = re.sub(r"<(script|style)\b.*?</\1>", " ", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", body)))


def content(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="content">(.*?)</script>', page, flags=re.DOTALL)
    assert found
    loaded: dict[str, Any] = json.loads(found.group(1))
    return loaded


def legend(page: str, section: str) -> list[str]:
    """What the colours of a chart are said to mean."""
    chart = page.partition(f'id="chart-{section}"')[2].partition("</ul>")[0]
    return re.findall(r'style="background:[^"]+"></span>([^<]+)</li>', chart)


def people(n: int, first: dt.date = dt.date(2020, 1, 6), **more: Any) -> list[dict[str, Any]]:
    """A dyad a week, from the north and the south in turn."""
    return [
        {
            "unit": f"D{i:02d}",
            "site": ("north", "south")[i % 2],
            "randomised_on": first + dt.timedelta(days=7 * i),
            **more,
        }
        for i in range(n)
    ]


def visits_of(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Baseline the day before randomisation; 6 months for every third dyad, 180 days on."""
    held = []
    for i, row in enumerate(rows):
        items = {"mood_1": 1, "mood_2": 2, "mood_3": 0, "rater": ("R1", "R2")[i // 2 % 2]}
        held.append(
            {
                "unit": row["unit"],
                "visit": "baseline",
                "visited_on": row["randomised_on"] - dt.timedelta(days=1),
                **items,
            }
        )
        if i % 3 == 0:
            after = row["randomised_on"] + dt.timedelta(days=180)
            held.append({"unit": row["unit"], "visit": "month6", "visited_on": after, **items})
    return held


def log_of(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    asked = [
        {
            "unit": r["unit"],
            "site": r["site"],
            "seen_on": r["randomised_on"] - dt.timedelta(days=9),
            "fits": "1",
            "agreed": "1",
        }
        for r in rows
    ]
    return [*asked, {"site": "north", "seen_on": dt.date(2020, 2, 1), "fits": "0", "why_not": "1"}]


@pytest.fixture
def running(tmp_path: Path) -> Study:
    chosen = trials.study(tmp_path)
    rows = people(20)
    queries = [trials.query(1, "D00", "baseline"), trials.query(2, "D01", "month6", NASTY), trials.query(3)]
    trials.write(chosen, rows, visits_of(rows), log_of(rows), queries=queries)
    return chosen


def outputs(study: Study) -> dict[str, bytes]:
    made = {path.relative_to(study.layout.root).as_posix(): path.read_bytes() for path in progress_outputs(study)}
    there = {p for p in (study.layout.results / "progress").rglob("*") if p.is_file()}
    assert {study.layout.root / name for name in made} == there, "the workflow knows every file"
    return made


def test_the_page_says_how_the_trial_goes(running: Study) -> None:
    said = progress(running, as_of="2020-05-20")
    page = running.layout.progress_page.read_text(encoding="utf-8")
    text = words(page)
    assert "20 dyads randomised" in said
    assert "20 dyads of 40 randomised; by now the plan has 15." in text  # 40 x 140/365
    assert "Of 21 screened, 95% were eligible; of those eligible, 100% consented." in text
    assert "State of the data on 20 May 2020 (as asked for)." in text
    assert "This is the first page on record." in text
    lists = content(page)["lists"]
    assert lists["queries"]["n"] == 3
    assert "Outcomes, all arms together" not in text
    assert legend(page, "recruitment") == ["So far", "Plan", "Forecast"]


def test_without_a_date_the_latest_in_the_data_is_taken_and_said(running: Study) -> None:
    progress(running)
    # Dyad 18 comes on 2020-05-11; its visit at 6 months, 180 days on, is the latest date.
    assert "State of the data on 7 November 2020 (the latest date in the data)." in words(
        running.layout.progress_page.read_text()
    )


def test_the_same_day_gives_the_same_bytes(running: Study) -> None:
    progress(running, as_of="2020-05-20")
    first = outputs(running)
    history = {p.name: p.read_bytes() for p in running.layout.progress_history.iterdir()}
    progress(running, as_of="2020-05-20")
    assert outputs(running) == first
    progress(running, as_of="2020-06-20")
    assert outputs(running) != first
    # Rebuilding the past neither changes what it showed nor what is remembered.
    later = {p.name: p.read_bytes() for p in running.layout.progress_history.iterdir()}
    assert history.items() <= later.items()
    progress(running, as_of="2020-05-20")
    assert outputs(running) == first
    assert {p.name: p.read_bytes() for p in running.layout.progress_history.iterdir()} == later


def test_what_changed_since_last_time(running: Study) -> None:
    progress(running, as_of="2020-03-01")
    trials.write(
        running, people(12), visits_of(people(12)), log_of(people(12)), queries=[trials.query(2), trials.query(9)]
    )
    progress(running, as_of="2020-04-01")
    text = words(running.layout.progress_page.read_text(encoding="utf-8"))
    assert "Since the page of 1 March 2020:" in text
    # Eight came by 1 March (6 January and every seventh day), all 12 by 1 April.
    assert "Randomised 8 12 +4" in text
    # North and south take turns, so each has half of them, in a template of the site's own.
    page = running.layout.progress_page.read_text(encoding="utf-8")
    for site in ("north", "south"):
        own = page.split(f'<template data-scope="{site}" data-section="changes">')[1].split("</template>")[0]
        assert "Randomised 4 6 +2" in words(own)
    assert "2 open: 1 new since the last page, 1 open since before. 2 resolved since." in text


def test_an_answer_takes_a_query_off_the_list_and_stays(running: Study) -> None:
    answers = running.layout.raw / "query_answers.csv"
    answers.parent.mkdir(parents=True, exist_ok=True)
    answers.write_text("query_id,answer,by,date,note\nq001,confirmed,AB,2020-05-01,\nq777,corrected,AB,,gone\n")
    progress(running, as_of="2020-05-20")
    table = pd.read_csv(running.layout.progress_list("queries"), keep_default_na=False).set_index("query_id")
    assert table.loc["q001", ["state", "answer", "answered_by"]].tolist() == ["confirmed", "confirmed", "AB"]
    assert table.loc["q777", ["state", "note"]].tolist() == ["not_known", "gone"]
    assert "2 open." in words(running.layout.progress_page.read_text(encoding="utf-8"))


def test_answers_that_cannot_be_understood_stop_it(running: Study) -> None:
    running.layout.raw.mkdir(parents=True, exist_ok=True)
    (running.layout.raw / "query_answers.csv").write_text("query_id,answer\nq001,perhaps\n")
    with pytest.raises(DataError, match="row 2"):
        progress(running, as_of="2020-05-20")
    assert not running.layout.progress_page.exists()


@pytest.mark.parametrize("wrong", ["yesterday", "2020-13-01", "20/05/2020"])
def test_a_wrong_day_is_refused(running: Study, wrong: str) -> None:
    with pytest.raises(ConfigError, match="YYYY-MM-DD"):
        progress(running, as_of=wrong)


def test_texts_from_the_data_are_text(running: Study, tmp_path: Path) -> None:
    rows = people(3)
    rows[0]["unit"] = NASTY
    trials.write(running, rows, visits_of(rows), log_of(rows), queries=[trials.query(1, NASTY, found=NASTY)])
    progress(running, as_of="2020-05-20")
    page = running.layout.progress_page.read_text(encoding="utf-8")
    assert "<script>alert" not in page
    found = content(page)["lists"]["queries"]["data"]["found"]
    assert NASTY in (found.get("v") or found["l"])


def test_the_page_fetches_nothing(running: Study) -> None:
    progress(running, as_of="2020-05-20")
    page = running.layout.progress_page.read_text(encoding="utf-8")
    outside = html.unescape(re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL))
    assert "default-src 'none'" in outside
    assert not re.search(r"""(?:src|href)=["'](?:https?:)?//""", outside)
    assert "@import" not in outside
    assert "url(" not in outside


def test_an_empty_trial(tmp_path: Path) -> None:
    chosen = trials.study(tmp_path)
    trials.write(chosen)
    progress(chosen, as_of="2020-01-01")
    text = words(chosen.layout.progress_page.read_text(encoding="utf-8"))
    for said in (
        "0 dyads of 40 randomised",
        "The first dyad is yet to be randomised, so there is no forecast.",
        "Nobody has been screened yet.",
        "No dyad is in the study yet, so no assessment is due.",
        "0 open.",
    ):
        assert said in text
    assert not re.search(r"\b(nan|None|NaT)\b", text)
    said = progress(chosen)
    assert "0 open queries; the data hold no date (" in said
    assert "The data hold no date" in words(chosen.layout.progress_page.read_text(encoding="utf-8"))
    outputs(chosen)


def test_a_trial_before_its_first_randomisation(tmp_path: Path) -> None:
    chosen = trials.study(tmp_path)
    log = [
        {"site": "north", "seen_on": "2020-01-03", "fits": "1", "agreed": None},
        {"site": "south", "seen_on": "2020-01-04"},
    ]
    trials.write(chosen, log=log)
    progress(chosen, as_of="2020-01-10")
    text = words(chosen.layout.progress_page.read_text(encoding="utf-8"))
    assert "The first dyad is yet to be randomised" in text
    assert "Of 2 screened, 50% were eligible; of those eligible, 0% consented." in text


def test_a_site_without_dyads(tmp_path: Path) -> None:
    chosen = trials.study(tmp_path)
    rows = [row for row in people(10) if row["site"] == "north"]
    trials.write(chosen, rows, visits_of(rows))
    progress(chosen, as_of="2020-05-20")
    page = chosen.layout.progress_page.read_text(encoding="utf-8")
    south = re.findall(
        r'<template data-scope="south" data-section="(\w[\w-]*)">(.*?)</template>', page, flags=re.DOTALL
    )
    text = {name: words(part) for name, part in south}
    assert "0 dyads randomised." in text["recruitment"]
    assert "No dyad is in the study yet" in text["visits"]
    sheet = openpyxl.load_workbook(chosen.layout.progress_site("south"))["Summary"]
    assert sheet["C3"].value == 0


def test_a_finished_trial(tmp_path: Path) -> None:
    chosen = trials.study(tmp_path)
    rows = people(40)
    trials.write(chosen, rows, visits_of(rows))
    progress(chosen, as_of="2023-01-01")
    text = words(chosen.layout.progress_page.read_text(encoding="utf-8"))
    assert "The target was reached on 5 October 2020." in text  # 39 weeks after 6 January
    shown = content(chosen.layout.progress_page.read_text(encoding="utf-8"))
    assert {row["s"] for row in shown["charts"]["recruitment"]["*"]} == {"So far", "Plan"}
    page = chosen.layout.progress_page.read_text(encoding="utf-8")
    assert legend(page, "recruitment") == ["So far", "Plan"]
    # A state is explained where any unit of any site is in it.
    states = {row["s"] for rows in shown["charts"]["visits"].values() for row in rows if row["n"]}
    assert set(legend(page, "visits")) == states
    assert "Due now" not in states
    assert shown["lists"]["chase"]["n"] == 0
    assert "12 months: 0 done of the 40 that could be by now (0%)." in text


def test_a_site_is_sent_its_own_units_and_no_other_column(running: Study) -> None:
    progress(running, as_of="2020-05-20")
    for site, other in (("north", "south"), ("south", "north")):
        own = {row["unit"] for row in people(20) if row["site"] == site}
        others = {row["unit"] for row in people(20) if row["site"] == other}
        book = openpyxl.load_workbook(running.layout.progress_site(site))
        cells = {str(c.value) for sheet in book for row in sheet.iter_rows() for c in row if c.value is not None}
        assert own <= cells
        assert not others & cells
        assert [c.value for c in book["Dyads"][2]] == ["Dyad", "Date of randomisation"]
        asked = [c.value for c in book["Open queries"][2]]
        assert "Found" in asked
        assert not {"Answer", "Site", "Since last time"} & set(asked)


def test_small_counts_are_not_sent_out(tmp_path: Path) -> None:
    chosen = trials.study(tmp_path, {"small_counts": {"below": 5}})
    rows = people(20, left_on="2020-05-19")
    for i, row in enumerate(rows):
        row["left_why"] = "1" if i % 4 else "2"
    trials.write(chosen, rows)
    progress(chosen, as_of="2020-05-20")

    def reasons(path: Path) -> dict[str, Any]:
        rows = openpyxl.load_workbook(path)["Summary"].iter_rows(values_only=True)
        return {str(row[1]): row[2] for row in rows if row[0] == "Withdrawn" and row[1]}

    # Every fourth dyad is of the north: 5 there for reason 2, 5 for reason 1; 10 for reason 1 in the south.
    assert reasons(chosen.layout.progress_site("north")) == {"Moved": 5, "Declined": 5}
    assert reasons(chosen.layout.progress_site("south")) == {"Moved": 10}
    hidden = trials.study(tmp_path, {"small_counts": {"below": 6}})
    progress(hidden, as_of="2020-05-20")
    assert reasons(hidden.layout.progress_site("north")) == dict.fromkeys(
        ("Moved", "Declined"), "hidden (counts under 6)"
    )
    assert reasons(hidden.layout.progress_workbook) == {"Moved": 15, "Declined": 5}


def test_small_counts_are_hidden_on_the_page_too_where_the_plan_says_so(tmp_path: Path) -> None:
    chosen = trials.study(tmp_path, {"small_counts": {"below": 5, "page": True}})
    log = [{"site": "north", "seen_on": "2020-01-03", "fits": "0", "why_not": why} for why in ("1", "1", "2")]
    trials.write(chosen, people(4), log=log)
    progress(chosen, as_of="2020-05-20")
    page = chosen.layout.progress_page.read_text(encoding="utf-8")
    north = re.search(r'data-scope="north" data-section="screening">(.*?)</template>', page, flags=re.DOTALL)
    assert north
    assert "Too old: hidden (small) · Other: hidden (small)" in words(north.group(1))
    assert "Too old: 2 · Other: 1" in words(page)


def test_made_up_data_say_so_on_their_face(tmp_path: Path) -> None:
    about = {**trials.STUDY["study"], "data": "example"}
    chosen = trials.study(tmp_path, study=about)
    trials.write(chosen, people(3))
    progress(chosen, as_of="2020-05-20")
    assert "EXAMPLE DATA: made-up people." in words(chosen.layout.progress_page.read_text(encoding="utf-8"))
    assert "EXAMPLE DATA" in openpyxl.load_workbook(chosen.layout.progress_site("north"))["Summary"]["A1"].value
