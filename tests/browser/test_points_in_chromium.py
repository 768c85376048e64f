"""Clouds of points in a real browser: drawn, turned by a drag, readable on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("selenium", reason="make test-browser installs it")

from browsing import BROWSER, DRIVER, Browser, browser
from selenium.webdriver.common.action_chains import ActionChains

from diffeo.points import view_clouds
from diffeo.report.points_page import PointReportContent, ShownCloud, write_point_report

pytestmark = pytest.mark.skipif(
    not (BROWSER and DRIVER), reason="no chromium and chromedriver; make test-browser installs them"
)

WIDTHS = (380, 1200)
RNG = np.random.default_rng(0)
TORUS = np.array([[2.0, 0.0, 0.0]]) + RNG.normal(0, 0.2, (800, 3))
# what Chromium says of drawing without a graphics card
SOFTWARE = ("WebGL", "GL Driver", "willReadFrequently")
EYE = "const e = document.querySelector('.drawing')._fullLayout.scene.camera.eye; return [e.x, e.y]"
REQUESTS = """
return performance.getEntriesByType('resource').map(entry => entry.name)
  .filter(name => !name.startsWith('data:') && !name.startsWith('blob:'));
"""
# the share of a drawing's pixels that are not of its background
INK = """
const gl = document.querySelector('.drawing canvas');
const copy = document.createElement('canvas');
copy.width = gl.width; copy.height = gl.height;
const pen = copy.getContext('2d', { willReadFrequently: true });
return new Promise(resolve => requestAnimationFrame(() => {
  document.querySelector('.drawing')._fullLayout.scene._scene.glplot.redraw();
  pen.drawImage(gl, 0, 0);
  const { data } = pen.getImageData(0, 0, copy.width, copy.height);
  let drawn = 0;
  for (let i = 3; i < data.length; i += 4) drawn += data[i] > 0;
  resolve(4 * drawn / data.length);
}));
"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def viewer(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("pages") / "clouds.html"
    view_clouds(path, [TORUS, -TORUS], titles=["one <b>cloud</b>", "its mirror image"])
    return path


def _complaints(chromium: Browser) -> list[str]:
    return [words for words in chromium.complaints() if not any(s in words for s in SOFTWARE)]


@pytest.mark.parametrize("width", WIDTHS)
def test_clouds_are_drawn_without_complaint_at_the_width_of_the_screen(chromium, viewer, width):
    chromium.open(viewer, width)
    chromium.picture(viewer.with_suffix(f".{width}.png"))
    assert chromium.run("return document.querySelectorAll('.drawing canvas').length") >= 2
    assert 0.001 < chromium.run(INK) < 0.5
    scroll = chromium.run("return document.scrollingElement.scrollWidth")
    assert scroll <= width
    smallest = "return Math.min(...[...document.querySelectorAll('p, figcaption')].map(e => parseFloat(getComputedStyle(e).fontSize)))"  # noqa: E501
    assert chromium.run(smallest) >= 12
    assert "one <b>cloud</b>" in chromium.run("return document.body.innerText")
    assert chromium.run(REQUESTS) == []
    assert _complaints(chromium) == []


def test_a_drag_turns_the_camera_around_and_keeps_its_distance(chromium, viewer):
    chromium.open(viewer, 1200)
    before = chromium.run(EYE)
    drawing = chromium.driver.find_element("css selector", ".drawing")
    drag = ActionChains(chromium.driver).move_to_element(drawing).click_and_hold()
    drag.move_by_offset(40, 0).move_by_offset(40, 0).release().perform()
    after = chromium.run(EYE)
    assert np.abs(np.subtract(before, after)).max() > 0.2
    other = "const all = document.querySelectorAll('.drawing'); const e = all[1]._fullLayout.scene.camera.eye; return [e.x, e.y]"  # noqa: E501
    assert np.allclose(chromium.run(other), before)
    assert _complaints(chromium) == []


def test_the_report_is_drawn_without_complaint(chromium, tmp_path):
    shown = [ShownCloud(TORUS, "a sample")]
    content = PointReportContent(
        "A model of clouds",
        summary=[("model", "PointCloudFlow")],
        scores=RNG.normal(-1, 0.1, 50),
        held_out=False,
        strange=shown,
        samples=shown,
        pairs=shown * 2,
        path=shown * 3,
        history=[{"epoch": k, "train": 1 / k, "validation": 1.1 / k} for k in range(1, 9)],
    )
    path = tmp_path / "report.html"
    write_point_report(content, path)
    for width in WIDTHS:
        chromium.open(path, width)
        assert chromium.run("return document.scrollingElement.scrollWidth") <= width
        assert _complaints(chromium) == []
    assert "judged on clouds it was fitted to" in chromium.run("return document.body.innerText")
