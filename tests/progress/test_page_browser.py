"""The page in a browser (Chromium, headless): nothing is fetched, nothing fails, all can be reached by keyboard."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from chromium import AXE, launched, missing
from pipanalysis.progress.step import progress
from pipanalysis.study.load import Study
from progress import trials
from progress.test_step import NASTY, log_of, people, visits_of

ROOT = Path(__file__).resolve().parents[2]
SITES = [{"name": f"site_{i:02d}", "label": f"Site {i:02d}"} for i in range(40)]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as started:
        yield started


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Study:
    chosen = trials.study(
        tmp_path_factory.mktemp("page"),
        {"blinded_summaries": {"allowed": False}},
        recruitment={**trials.STUDY["recruitment"], "per_site": {"north": 20}},
    )
    rows = people(30)
    queries = [trials.query(i, f"D{i % 30:02d}", "baseline", str(i), ("error", "warning")[i % 2]) for i in range(60)]
    queries.append(trials.query(99, "D01", "month6", NASTY))
    trials.write(chosen, rows, visits_of(rows), log_of(rows), queries=queries)
    progress(chosen, as_of="2020-06-20")
    progress(chosen, as_of="2020-07-20")
    return chosen


class Watched:
    """A tab, with what went wrong in it."""

    def __init__(self, tab: Page, path: Path) -> None:
        self.tab = tab
        self.wrong: list[str] = []
        tab.on("pageerror", lambda error: self.wrong.append(str(error)))
        tab.on("console", lambda said: self.wrong.append(said.text))
        tab.on("request", lambda request: self._asked(request.url, path))
        tab.on("dialog", lambda dialog: self.wrong.append(dialog.message))
        tab.goto(path.as_uri())
        tab.wait_for_selector("body[data-ready]")

    def _asked(self, url: str, path: Path) -> None:
        if url.partition("#")[0] != path.as_uri():
            self.wrong.append(f"request: {url}")


@pytest.fixture
def watched(browser: Browser, built: Study) -> Iterator[Watched]:
    context = browser.new_context(viewport={"width": 1200, "height": 900}, offline=True)
    tab = Watched(context.new_page(), built.layout.progress_page)
    yield tab
    assert not tab.wrong
    context.close()


def rows(tab: Page, name: str) -> list[list[str]]:
    return tab.eval_on_selector_all(
        f"#{name} tbody tr:not(.detail)", "all => all.map((row) => [...row.cells].map((cell) => cell.innerText.trim()))"
    )


def counted(tab: Page, name: str) -> int:
    found = re.search(r"([\d,]+) rows?$", tab.inner_text(f"#{name} .count"))
    assert found
    return int(found.group(1).replace(",", ""))


def test_charts_are_drawn_and_nothing_is_fetched(watched: Watched) -> None:
    tab = watched.tab
    for chart in ("recruitment", "visits", "retention"):
        assert tab.locator(f"#chart-{chart} svg path").count() > 3, chart
        assert tab.locator(f"#{chart} table").count() > 0, f"a table behind the chart of {chart}"


def test_filter_by_site(watched: Watched) -> None:
    tab = watched.tab
    whole = counted(tab, "chase")
    by_site = 0
    for site, label, dyads in (("north", "North", 15), ("south", "South", 14)):
        tab.select_option("#scope", site)
        assert f"{dyads} dyads" in tab.inner_text("#recruitment")
        assert {row[3] for row in rows(tab, "chase")} == {label}
        assert f"Showing: {label}" in tab.inner_text("#said")
        by_site += counted(tab, "chase")
    assert by_site == whole
    tab.select_option("#scope", "*")
    # The 30th comes a week after the as-of date.
    assert "29 dyads of 40 randomised" in tab.inner_text("#recruitment")
    assert counted(tab, "chase") == whole


def test_choose_an_assessor(watched: Watched) -> None:
    tab = watched.tab
    whole, north = counted(tab, "chase"), 0
    column = "#chase select[data-key=assessor]"
    by_rater = {}
    for rater in ("Rater 1", "Rater 2"):
        tab.select_option(column, rater)
        assert {row[-1] for row in rows(tab, "chase")} == {rater}
        by_rater[rater] = counted(tab, "chase")
        tab.select_option("#scope", "north")
        assert {(row[3], row[-1]) for row in rows(tab, "chase")} == {("North", rater)}
        north += counted(tab, "chase")
        tab.select_option("#scope", "*")
    assert sum(by_rater.values()) == whole
    tab.select_option(column, "All")
    tab.select_option("#scope", "north")
    assert counted(tab, "chase") == north


def test_sort_and_search_the_queries(watched: Watched) -> None:
    tab = watched.tab
    assert counted(tab, "queries") == 59
    assert len(rows(tab, "queries")) == 25
    tab.click("#queries .show-more")
    assert len(rows(tab, "queries")) == 59
    head = tab.locator("#queries th[data-key=unit]")
    head.locator("button").click()
    units = [row[1] for row in rows(tab, "queries")]
    assert units == sorted(units)
    assert head.get_attribute("aria-sort") == "ascending"
    head.locator("button").click()
    units = [row[1] for row in rows(tab, "queries")]
    assert units == sorted(units, reverse=True)
    assert head.get_attribute("aria-sort") == "descending"
    tab.locator("#queries th[data-key=severity] button").click()
    assert rows(tab, "queries")[0][0] == "Error"
    tab.fill("#queries .search", "d05 zebra")
    assert counted(tab, "queries") == 0
    tab.fill("#queries .search", "D05 error")
    assert [row[1] for row in rows(tab, "queries")] == ["D05"] * counted(tab, "queries")
    tab.fill("#queries .search", "no such thing")
    assert tab.is_visible("#queries .empty")
    tab.fill("#queries .search", "")
    tab.select_option("#queries .view", "new")
    assert counted(tab, "queries") == len(rows(tab, "queries"))


def test_open_a_query_whose_text_would_be_a_script(watched: Watched) -> None:
    tab = watched.tab
    tab.fill("#queries .search", "q099")
    assert counted(tab, "queries") == 1
    tab.click("#queries tbody button")
    detail = tab.inner_text("#queries tr.detail")
    assert "q099" in detail
    assert "0 to 3" in detail
    assert NASTY in tab.inner_text("#queries tbody")
    assert tab.locator("#queries tbody script").count() == 0
    tab.click("#queries tbody button")
    assert tab.locator("#queries tr.detail").count() == 0


def test_by_keyboard_alone(watched: Watched) -> None:
    tab = watched.tab
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.className") == "skip"
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.id") == "scope"
    tab.keyboard.press("ArrowDown")
    assert tab.input_value("#scope") == "north"
    tab.focus("#queries .search")
    tab.keyboard.type("D04")
    found = counted(tab, "queries")
    for _ in range(40):
        tab.keyboard.press("Tab")
        if tab.evaluate("document.activeElement.closest('#queries tbody') !== null"):
            break
    tab.keyboard.press("Enter")
    assert tab.locator("#queries tr.detail").count() == 1
    assert found >= 1
    tab.focus("#recruitment summary")
    tab.keyboard.press("Enter")
    assert tab.locator("#recruitment details").first.get_attribute("open") is not None


def test_focus_can_be_seen(watched: Watched) -> None:
    tab = watched.tab
    tab.keyboard.press("Tab")
    tab.keyboard.press("Tab")
    outline = tab.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline != "none"


@pytest.mark.parametrize("width", [400, 1200])
def test_no_wider_than_the_screen(browser: Browser, built: Study, width: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": 800}, offline=True)
    tab = Watched(context.new_page(), built.layout.progress_page)
    assert tab.tab.evaluate("document.documentElement.scrollWidth") <= width
    tab.tab.select_option("#scope", "south")
    assert tab.tab.evaluate("document.documentElement.scrollWidth") <= width
    assert tab.tab.evaluate("document.querySelector('#chart-visits svg').getBoundingClientRect().right") <= width
    assert not tab.wrong
    context.close()


def test_print(watched: Watched) -> None:
    tab = watched.tab
    tab.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    tab.emulate_media(media="print")
    assert len(rows(tab, "queries")) == 59
    assert not tab.is_visible("nav")
    assert not tab.is_visible("#queries .search")
    assert tab.is_visible("#recruitment .lead >> nth=0")
    assert tab.is_visible("#chart-recruitment svg")
    tab.emulate_media(media="screen")
    tab.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert len(rows(tab, "queries")) == 25
    assert tab.pdf(format="A4").startswith(b"%PDF")


@pytest.mark.parametrize("width", [400, 1200])
def test_accessible_by_axe(browser: Browser, built: Study, width: int) -> None:
    if not AXE.is_file():
        missing("axe-core")
    context = browser.new_context(viewport={"width": width, "height": 900}, bypass_csp=True)
    tab = context.new_page()
    tab.goto(built.layout.progress_page.as_uri())
    tab.wait_for_selector("body[data-ready]")
    tab.click("#queries tbody button >> nth=0")
    tab.add_script_tag(path=str(AXE))
    found: dict[str, Any] = tab.evaluate("axe.run(document, {resultTypes: ['violations']})")
    serious = [
        (v["id"], v["impact"], [node["html"][:120] for node in v["nodes"]][:3])
        for v in found["violations"]
        if v["impact"] in ("serious", "critical", "moderate")
    ]
    assert not serious
    context.close()


def test_without_scripts_the_counts_are_there(browser: Browser, built: Study) -> None:
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto(built.layout.progress_page.as_uri())
    assert tab.is_visible("text=29 dyads of 40 randomised")
    context.close()


def test_filtering_a_large_trial_feels_instant(browser: Browser, tmp_path: Path) -> None:
    chosen = trials.study(tmp_path, sites=SITES, recruitment={**trials.STUDY["recruitment"], "units": 5000})
    first = dt.date(2020, 1, 6)
    many = [
        {"unit": f"D{i:04d}", "site": SITES[i % 40]["name"], "randomised_on": first + dt.timedelta(days=i // 25)}
        for i in range(5000)
    ]
    queries = [trials.query(i, f"D{i:04d}", "baseline", str(i)) for i in range(2000)]
    trials.write(chosen, many, visits_of(many), log_of(many), queries=queries)
    progress(chosen, as_of="2020-07-20")
    assert chosen.layout.progress_page.stat().st_size < 6e6
    context = browser.new_context(offline=True)
    tab = Watched(context.new_page(), chosen.layout.progress_page)
    took = []
    for site in SITES:
        tab.tab.select_option("#scope", site["name"])
        assert {row[3] for row in rows(tab.tab, "chase")} <= {site["label"]}
        took.append(float(tab.tab.evaluate("document.body.dataset.took")))
    assert sorted(took)[len(took) // 2] < 100
    assert not tab.wrong
    context.close()
