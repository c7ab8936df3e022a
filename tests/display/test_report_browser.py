"""The report in a real browser: Debian's Chromium, driven by Playwright, with axe-core where it is installed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from chromium import AXE, launched, missing
from display.test_report import study, written

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from pipanalysis.study.load import Study

__all__ = ["study", "written"]
NARROW, WIDE = {"width": 400, "height": 800}, {"width": 1300, "height": 900}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as started:
        yield started


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
    from display.test_report import pages

    path = tmp_path / "printed.pdf"
    page.pdf(path=path, prefer_css_page_size=True)
    found = list(pages(path))
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
