"""The trial manager's page of a large synthetic trial: seconds to build, size, and how fast it filters in a browser.

    python benchmarks/bench_progress.py [units] [sites]      (default: 5,000 dyads over 40 sites)

Targets at the default: built in under 10 s, under 6 MB, filtered by site in under 100 ms. The browser's part needs
Chromium and says so where there is none.
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from pathlib import Path

from bench_large_trial import large_study, run

TARGET_SECONDS, TARGET_MB, TARGET_MS = 10.0, 6.0, 100.0


def many_sites(folder: Path, n: int) -> None:
    """Give the study n sites."""
    path = folder / "config" / "study.yaml"
    text = path.read_text(encoding="utf-8")
    sites = "".join(f"  - {{name: site_{i:02d}, label: Site {i:02d}}}\n" for i in range(1, n + 1))
    changed, found = re.subn(r"^sites:\n(  - .*\n)+", f"sites:\n{sites}", text, flags=re.MULTILINE)
    if not found:
        raise SystemExit(f"{path}: no list of sites: the benchmark's configuration must be adapted")
    path.write_text(changed, encoding="utf-8")


def filter_milliseconds(page: Path) -> list[float]:
    """Return how long the page takes to show each of its sites, in Chromium; empty where there is none."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        return []
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        tab = browser.new_page()
        tab.goto(page.as_uri())
        tab.wait_for_selector("body[data-ready]")
        took = []
        for value in tab.eval_on_selector_all("#scope option", "all => all.map((one) => one.value)"):
            tab.select_option("#scope", value)
            took.append(float(tab.evaluate("document.body.dataset.took")))
        browser.close()
    return took


def main() -> None:
    units, sites = (int(a) for a in (sys.argv[1:3] + ["5000", "40"][len(sys.argv) - 1 :]))
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        large_study(folder)
        many_sites(folder, sites)
        run(folder, "simulate", "--units", str(units), "--quiet")
        for verb in ("intake", "derive"):
            run(folder, verb, "--quiet")
        for as_of in ("2007-06-11", "2007-06-18"):
            seconds, memory = run(folder, "progress", "--quiet", "--as-of", as_of)
        page = folder / "results" / "progress" / "index.html"
        size = page.stat().st_size / 1e6
        took = filter_milliseconds(page)
    slowest = max(took, default=0.0)
    met = seconds < TARGET_SECONDS and size < TARGET_MB and slowest < TARGET_MS
    print(f"{units} units, {sites} sites: built in {seconds:.1f} s, {memory:.2f} GB; page {size:.1f} MB")
    filtered = f"{slowest:.0f} ms at most, {sum(took) / len(took):.0f} on average" if took else "no Chromium here"
    print(f"filter: {filtered}")
    print(f"targets {TARGET_SECONDS:.0f} s, {TARGET_MB:.0f} MB, {TARGET_MS:.0f} ms: {'met' if met else 'MISSED'}")


if __name__ == "__main__":
    main()
