"""Report and tables in a real browser: Debian's Chromium, driven by Playwright, with axe-core where it is installed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from chromium import AXE, launched, missing
from display.documents import pdf_pages
from display.reference import reference_study
from display.test_report import reported, synthetic
from pipanalysis.display.step import report, tables

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from pipanalysis.study.load import Study

NARROW, WIDE = {"width": 400, "height": 800}, {"width": 1300, "height": 900}
UNREADABLE = """() => {
  const found = new Set();
  const say = (why, node) => found.add(`${why}: ${node.textContent.trim().slice(0, 60)}`);
  const placed = (element) => {
    const all = [], walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const range = document.createRange();
      range.selectNodeContents(walker.currentNode);
      for (const box of range.getClientRects())
        if (box.width > 1 && box.height > 1) all.push([walker.currentNode, box]);
    }
    return all;
  };
  // What cuts its content off: not what a whole table is scrolled in.
  const known = new Map();
  const cuts = (element) => {
    if (!known.has(element)) {
      const { overflowX, overflowY } = getComputedStyle(element);
      const scrolled = /auto|scroll/.test(overflowX) && element.querySelector("table");
      known.set(element, scrolled ? "end" : overflowX !== "visible" || overflowY !== "visible" ? "cuts" : "");
    }
    return known.get(element);
  };
  for (const table of document.querySelectorAll("table")) {
    for (const row of table.rows) {
      let before = null;
      for (const cell of row.cells) {
        let last = null;
        for (const [text, box] of placed(cell)) {
          for (let around = text.parentElement; around && cuts(around) !== "end"; around = around.parentElement) {
            if (cuts(around) !== "cuts") continue;
            const edge = around.getBoundingClientRect();
            if (box.left < edge.left - 1 || box.right > edge.right + 1
              || box.top < edge.top - 1 || box.bottom > edge.bottom + 1)
              say(`cut off by ${around.tagName}.${around.className}`, text);
          }
          if (before && box.left < before.right - 1 && box.top < before.bottom - 1 && box.bottom > before.top + 1)
            say("lies on the text before", text);
          if (!last || box.right > last.right) last = box;
        }
        before = last ?? before;
      }
    }
    for (const heading of table.querySelectorAll("th, td.gt_stub:has(> .over)")) {
      if (!heading.textContent.trim()) continue;
      heading.scrollIntoView({ block: "center", inline: "center" });
      for (const [text, box] of placed(heading))
        for (const x of [box.left + 1, (box.left + box.right) / 2, box.right - 1]) {
          const top = document.elementFromPoint(x, (box.top + box.bottom) / 2);
          if (!top || !table.contains(top)) continue; // scrolled out of view
          const empty = top.closest("tr") === heading.closest("tr") && !top.textContent.trim();
          if (!heading.contains(top) && !empty) say(`behind ${top.tagName}`, text);
        }
    }
  }
  return [...found];
}"""
"""finds every text of a table that is cut off, lies on another, or is a heading behind something else"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as started:
        yield started


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return reported(synthetic(tmp_path_factory.mktemp("report")))


@pytest.fixture
def page(browser: Browser, written: Study) -> Iterator[Page]:
    """The report, opened offline; at the end nothing was said on the console and nothing fetched."""
    context = browser.new_context(offline=True, viewport=WIDE)
    opened = context.new_page()
    said: list[str] = []
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.on("request", lambda request: said.append(request.url) if request.url.startswith("http") else None)
    opened.goto(written.layout.report("html").resolve().as_uri())
    yield opened
    context.close()
    assert said == []


def test_navigation_leads_to_every_table_and_figure(page: Page) -> None:
    links = page.locator("nav a")
    assert links.count() > 5
    for i in range(links.count()):
        target = str(links.nth(i).get_attribute("href"))
        links.nth(i).click()
        top = page.locator(target).evaluate("element => element.getBoundingClientRect().top")
        assert 0 <= top < WIDE["height"]


@pytest.mark.parametrize("size", [NARROW, WIDE], ids=["400px", "1300px"])
def test_the_page_is_no_wider_than_the_window(page: Page, size: Any) -> None:
    page.set_viewport_size(size)
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    assert page.locator("h1").bounding_box()["width"] <= size["width"]  # type: ignore[index]
    assert page.locator("img").first.evaluate("image => image.complete && image.naturalWidth > 0")


def test_every_printed_page_has_the_marks(page: Page, tmp_path: Path) -> None:

    path = tmp_path / "printed.pdf"
    page.pdf(path=path, prefer_css_page_size=True)
    found = pdf_pages(path)
    assert len(found) > 2
    assert all("SYNTHETIC DATA" in one for one in found)


@pytest.mark.parametrize("size", [NARROW, WIDE], ids=["400px", "1300px"])
def test_axe_finds_no_serious_violation(page: Page, size: Any) -> None:
    if not AXE.is_file():
        missing("axe-core")
    page.set_viewport_size(size)
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run()")
    bad = [v for v in found["violations"] if v["impact"] in ("serious", "critical")]
    assert not bad, [(v["id"], [node["html"][:200] for node in v["nodes"][:3]]) for v in bad]
    assert len(found["passes"]) > 10


@pytest.fixture(scope="module")
def displayed(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Study:
    """The PIP study's tables as web pages, and the report without figures, from the reference results."""
    folder = tmp_path_factory.mktemp("pip")
    loaded = reference_study(root, folder, formats=["html"], figures=[], report_formats=["html"])
    tables(loaded)
    report(loaded)
    return loaded


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ('<th>Arm</th><td>1.5</td><td class="far">2.5</td>', []),
        ('<th><div style="overflow: hidden; width: 9px">Arm</div></th><td></td>', ["cut off by DIV.: Arm"]),
        (
            '<th>Arm</th><td><span style="margin-left: -20px">12345678</span></td>',
            ["lies on the text before: 12345678"],
        ),
        (
            '<th>Arm</th><td><div style="position: absolute; left: 0; width: 90px; background: red">.</div></td>',
            ["behind DIV: Arm", "lies on the text before: ."],
        ),
    ],
)
def test_what_cannot_be_read_is_found(browser: Browser, cells: str, said: list[str]) -> None:
    page = browser.new_page()
    page.set_content(f'<div style="overflow: auto; width: 60px"><table><tr>{cells}</tr></table></div>')
    found = page.evaluate(UNREADABLE)
    assert set(said) <= set(found)
    assert bool(said) == bool(found)
    page.close()


@pytest.mark.parametrize("width", [1280, 400])
def test_no_text_of_a_table_is_cut_off_or_behind_another(browser: Browser, displayed: Study, width: int) -> None:
    paths = [displayed.layout.report("html")]
    paths += [displayed.layout.table(table.name, "html") for table in displayed.displays.tables]
    assert len(paths) > 25
    page = browser.new_page(viewport={"width": width, "height": 900})
    found = {}
    for path in paths:
        page.goto(path.resolve().as_uri())
        assert page.locator("table tbody td").count() > 5
        found[path.name] = page.evaluate(UNREADABLE)
    page.close()
    assert {name: said for name, said in found.items() if said} == {}
