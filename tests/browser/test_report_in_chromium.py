"""The report in a real browser: drawn without complaint, on a desk, on a phone and on paper."""

from __future__ import annotations

import base64
import importlib.util
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import pytest

pytest.importorskip("selenium", reason="make test-browser installs it")

from browsing import BROWSER, DRIVER, Browser, browser

from diffeo.report.page import ReportContent, write_report

pytestmark = pytest.mark.skipif(
    not (BROWSER and DRIVER), reason="no chromium and chromedriver; make test-browser installs them"
)

WIDTHS = (380, 1200)
# a plot is drawn if it has an axis system with marks in it
UNDRAWN = """
return [...document.querySelectorAll('figure.plot')].filter(figure => {
  const marks = figure.querySelectorAll('.main-svg .trace path, .main-svg .hm image, .bars path');
  return ![...marks].some(mark => mark.getBoundingClientRect().width > 0);
}).map(figure => figure.textContent.slice(0, 60));
"""
OVERFLOW = """
return [...document.querySelectorAll('body *')].filter(element =>
  !element.closest('.table') && !element.closest('svg') &&
  element.getBoundingClientRect().right > document.documentElement.clientWidth + 1
).map(element => element.outerHTML.slice(0, 120));
"""
# words of a plot that stick out of their drawing, and so are cut
CUT = """
const out = [];
for (const drawing of document.querySelectorAll('.drawing')) {
  const box = drawing.getBoundingClientRect();
  for (const words of drawing.querySelectorAll('text')) {
    const inside = words.getBoundingClientRect();
    if (inside.width && (inside.left < box.left - 1 || inside.right > box.right + 1))
      out.push(words.textContent);
  }
}
return out;
"""
REQUESTS = """
return performance.getEntriesByType('resource').map(entry => entry.name)
  .filter(name => !name.startsWith('data:') && !name.startsWith('blob:'));
"""


def _demo() -> ModuleType:
    path = Path(__file__).resolve().parent.parent / "report" / "page" / "demo_content.py"
    spec = importlib.util.spec_from_file_location("demo_content", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


DEMO = _demo()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as opened:
        yield opened


@pytest.fixture(scope="module", params=["power_plant", "mixed", "wide", "hostile"])
def page(request, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("pages") / f"{request.param}.html"
    write_report(getattr(DEMO, request.param)(), path)
    return path


@pytest.mark.parametrize("width", WIDTHS)
def test_a_page_is_drawn_without_complaint(chromium, page, width):
    chromium.open(page, width)
    chromium.picture(page.with_suffix(f".{width}.png"))
    assert chromium.run("return document.querySelectorAll('figure.plot').length") >= 15
    assert chromium.run(UNDRAWN) == []
    assert chromium.complaints() == []
    assert chromium.run(REQUESTS) == []
    assert chromium.run("return window.hacked") is None


@pytest.mark.parametrize("width", [320, *WIDTHS])
def test_only_tables_scroll_sideways(chromium, page, width):
    chromium.open(page, width)
    scroll, inner = chromium.run("return [document.scrollingElement.scrollWidth, innerWidth]")
    assert scroll <= inner == width
    assert chromium.run(OVERFLOW) == []
    assert chromium.run(CUT) == []


def test_a_finger_scrolls_past_the_plots_and_a_mouse_zooms(chromium, page):
    modes = "return [...document.querySelectorAll('.drawing')].map(d => d._fullLayout.dragmode)"
    for width, mode in ((380, False), (1200, "zoom")):
        chromium.open(page, width)
        assert set(chromium.run(modes)) == {mode}


def test_on_paper_nothing_is_cut(chromium, page):
    chromium.open(page, 1200)
    chromium.media("print")
    try:
        # A4 less its margins
        metrics = {"width": 703, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
        chromium.command("Emulation.setDeviceMetricsOverride", **metrics)
        assert chromium.run("return getComputedStyle(document.querySelector('nav')).display") == (
            "none"
        )
        assert chromium.run(OVERFLOW) == []
        wide = "return [...document.querySelectorAll('.table')].filter(t => t.scrollWidth > 704)"
        assert chromium.run(f"{wide}.length") == 0
        assert chromium.run("return [...document.querySelectorAll('.plot')].length") >= 15
        too_wide = (
            "return [...document.querySelectorAll('.plot')].filter(p => "
            "[...p.querySelectorAll('.main-svg')].some(s => s.getBoundingClientRect().right > "
            "p.getBoundingClientRect().right + 1)).length"
        )
        assert chromium.run(too_wide) == 0
    finally:
        chromium.media()


def test_it_prints(chromium, page):
    chromium.open(page, 1200)
    printed = chromium.command("Page.printToPDF", preferCSSPageSize=True, printBackground=True)
    content = base64.b64decode(printed["data"])
    page.with_suffix(".pdf").write_bytes(content)
    pages = len(re.findall(rb"/Type\s*/Page\b", content))
    assert 4 <= pages <= 40


def test_dark_and_light_differ_and_plots_follow(chromium, page):
    colours = (
        "const c = e => getComputedStyle(e); return [c(document.body).backgroundColor, "
        "c(document.querySelector('[class$=tick] text')).fill]"
    )
    seen = []
    for scheme in ("light", "dark"):
        chromium.media(scheme=scheme)
        chromium.open(page, 1200)
        seen.append(chromium.run(colours))
    chromium.media()
    assert seen[0] == ["rgb(255, 255, 255)", "rgb(91, 100, 112)"]
    assert seen[1] == ["rgb(21, 24, 28)", "rgb(160, 169, 180)"]


def test_headings_make_an_outline_and_links_lead_somewhere(chromium, page):
    chromium.open(page, 1200)
    levels = chromium.run(
        "return [...document.querySelectorAll('h1,h2,h3')].map(h => +h.tagName[1])"
    )
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    dead = "return [...document.querySelectorAll('a')].filter(a => !document.querySelector(a.hash))"
    assert chromium.run(f"{dead}.length") == 0
    unlabelled = "return [...document.querySelectorAll('[role=img]:not([aria-label])')].length"
    assert chromium.run(unlabelled) == 0


def test_the_policy_stops_scripts_that_are_not_the_pages_own(chromium, tmp_path):
    path = tmp_path / "page.html"
    write_report(replace(DEMO.power_plant(), data=None, samples=None, training=None), path)
    broken = path.read_text("utf-8").replace("<h1>", "<script>window.hacked = 5</script><h1>")
    path.write_text(broken, "utf-8")
    chromium.open(path, 1200)
    assert chromium.run("return window.hacked") is None
    assert any("Content Security Policy" in words for words in chromium.complaints())


def test_an_empty_page_is_a_page(chromium, tmp_path):
    path = tmp_path / "page.html"
    write_report(ReportContent("Nothing yet"), path)
    chromium.open(path, 380)
    assert chromium.complaints() == []
    assert "No warnings" in chromium.run("return document.body.innerText")
