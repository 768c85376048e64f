"""Pictures, pages, and new clouds written as each."""

from __future__ import annotations

import re

import numpy as np
import pytest

import diffeo
from diffeo.errors import DataError, ShapeError
from diffeo.points import (
    PointData,
    draw_clouds,
    load_clouds,
    picture_clouds,
    point_cloud_flow,
    point_report_content,
    point_summary,
    view_clouds,
    write_clouds,
)
from diffeo.report.points import plot_clouds, projected
from diffeo.report.points_page import PointReportContent, ShownCloud, render_point_report

RNG = np.random.default_rng(0)
CLOUDS = RNG.normal(size=(3, 40, 3))
SMALL = {"latent": 2, "count": 30, "layers": 1, "hidden": (8,), "code": 8, "prior_layers": 1}


def _words(page: str) -> str:
    """The page without the scripts, which are not this project's."""
    return re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)


def test_what_an_eye_sees_from_the_front_and_from_above():
    points = np.array([[1.0, 2.0, 3.0]])
    # the eye on the first axis sees the second to its right
    assert projected(points, 0, 0)[0] == pytest.approx([2, 3, 1])
    assert projected(points, 0, 90)[0] == pytest.approx([2, -1, 3])
    # with y upright, z is the first of the other two axes
    assert projected(points, 0, 0, "y")[0] == pytest.approx([1, 2, 3])
    turned = projected(CLOUDS[0], 37, 21)
    assert np.linalg.norm(turned, axis=1) == pytest.approx(np.linalg.norm(CLOUDS[0], axis=1))
    with pytest.raises(ValueError, match="up must be 'x', 'y' or 'z'"):
        projected(points, 0, 0, "up")


def test_a_row_for_each_side_and_a_column_for_each_cloud():
    figure = plot_clouds(CLOUDS, ["a", "b", "c"], views=[(0, 0), (90, 0)])
    assert len(figure.axes) == 6
    assert [axis.get_title() for axis in figure.axes[:3]] == ["a", "b", "c"]
    assert len(plot_clouds(CLOUDS[..., :2]).axes) == 3
    with pytest.raises(ShapeError, match="3 clouds cannot be drawn under 1 titles"):
        plot_clouds(CLOUDS, ["a"])


def test_pictures_and_pages_are_whole_files(tmp_path):
    picture_clouds(tmp_path / "a.png", CLOUDS, titles="abc")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    view_clouds(tmp_path / "a.html", CLOUDS, titles=["<b>", "two", "three"], title="Three & more")
    page = _words((tmp_path / "a.html").read_text("utf-8"))
    assert page.count('<figure class="plot">') == 3
    assert "&lt;b&gt;" in page
    assert "Three &amp; more" in page
    assert "Drag a cloud to turn it" in page
    # a page that judges nothing has no warnings to speak of, and nothing is fetched
    assert 'class="warnings' not in page
    assert re.findall(r'(?:src|href)="(?!data:|#)', page) == []
    with pytest.raises(ValueError, match=r"let the name end in \.png"):
        picture_clouds(tmp_path / "a.jpg", CLOUDS)
    with pytest.raises(DataError, match="3 clouds cannot be shown under 2 titles"):
        view_clouds(tmp_path / "b.html", CLOUDS, titles=["one", "two"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.html", "a.png"]


def test_new_clouds_are_written_by_the_suffix(tmp_path):
    pytest.importorskip("trimesh")
    model = point_cloud_flow(3, **SMALL, classes=["chair", "sofa"], seed=0)
    drawn = draw_clouds(model, 4, points=20, seed=0)
    assert (drawn.sizes, drawn.labels.tolist()) == ([20] * 4, [0, 1, 0, 1])
    again = draw_clouds(model, 4, points=20, seed=0)
    assert (np.stack(again.clouds) == np.stack(drawn.clouds)).all()
    one = draw_clouds(model, 2, labels=["sofa", "sofa"], seed=0)
    assert (one.sizes, one.labels.tolist()) == ([30, 30], [1, 1])
    for name in ("a.npz", "folder", "a.png", "a.html"):
        write_clouds(tmp_path / name, drawn)
        assert (tmp_path / name).exists()
    found = load_clouds(tmp_path / "a.npz")
    assert (found.names, found.labels.tolist()) == (("chair", "sofa"), [0, 1, 0, 1])
    with pytest.raises(DataError, match="4 clouds need as many labels, got 1"):
        draw_clouds(model, 4, labels=["sofa"])
    with pytest.raises(DataError, match="has no classes, so it takes no labels"):
        draw_clouds(point_cloud_flow(3, **SMALL), 1, labels=[0])


def test_the_report_of_shapes_and_of_one_surface():
    model = point_cloud_flow(3, **SMALL, classes=["chair", "sofa"], seed=0)
    data = PointData(RNG.normal(size=(6, 30, 3)), np.arange(6) % 2, names=("chair", "sofa"))
    content = point_report_content(model, data, held_out=False)
    assert [shown.caption for shown in content.samples[:2]] == [
        "a sample of chair",
        "a sample of sofa",
    ]
    worst = int(content.scores.argmax())
    assert content.strange[0].caption.startswith(f"cloud {worst}:")
    assert len(content.path) == 3
    page = _words(render_point_report(content))
    assert "1-NNA" in page
    assert "judged on clouds it was fitted to" in page
    assert dict(point_summary(model))["classes"] == "chair, sofa"
    flow = diffeo.NSF(3, layers=1, hidden=(8,))
    alone = point_report_content(flow, PointData(RNG.normal(size=(1, 200, 3))))
    assert [shown.caption for shown in alone.samples] == ["the cloud", "a sample"]


def test_a_page_refuses_what_cannot_be_drawn():
    for content, error in (
        (PointReportContent("x", scores=np.array([np.nan])), DataError),
        (PointReportContent("x", samples=[ShownCloud(np.zeros((3, 4)))]), ShapeError),
        (PointReportContent("x", samples=[ShownCloud(np.zeros((0, 3)))]), DataError),
    ):
        with pytest.raises(error):
            render_point_report(content)
