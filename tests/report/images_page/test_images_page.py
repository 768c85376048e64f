"""The page on a model of images says what its arrays say."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest

from diffeo.errors import DataError, ShapeError
from diffeo.report.images_page import (
    ImageReportContent,
    Neighbours,
    RoundTrip,
    Shown,
    Tightened,
    render_image_report,
    write_image_report,
)

RNG = np.random.default_rng(0)
PICTURE = RNG.integers(0, 256, (9, 14, 3)).astype(np.uint8)


def _page(**parts: object) -> str:
    """The page without the scripts, which are not this project's."""
    page = render_image_report(ImageReportContent("A <b>model</b>", **parts))
    return re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)


def test_a_picture_is_inside_the_page_as_it_is():
    image = pytest.importorskip("PIL.Image")
    page = _page(samples=[Shown(PICTURE, 'forty "samples"', "temperature <1>")])
    found = re.search(r'<img src="data:image/png;base64,([^"]+)" alt="([^"]*)"', page)
    opened = image.open(io.BytesIO(base64.b64decode(found[1])))
    assert (np.asarray(opened) == PICTURE).all()
    assert found[2] == "forty &quot;samples&quot;"
    assert "temperature &lt;1&gt;" in page
    # enlarged by a whole factor
    assert re.search(r'width="84" height="54"', page)


def test_grey_pictures_are_drawn_too():
    page = _page(paths=[Shown(PICTURE[:, :, :1], "rows")])
    assert page.count("<img ") == 1


def test_nothing_is_fetched_and_names_are_text():
    page = _page(samples=[Shown(PICTURE, "samples")])
    assert "A &lt;b&gt;model&lt;/b&gt;" in page
    assert "default-src 'none'" in page
    assert re.findall(r'(?:src|href)="(?!data:|#)', page) == []


def test_bits_and_their_error():
    scores = RNG.normal(2.0, 0.1, 400)
    page = _page(scores=scores)
    assert f"{scores.mean():.4f} <small>± {scores.std(ddof=1) / 20:.4f} bits" in page
    assert "400 held-out images" in page
    assert "No warnings" in page


def test_images_of_the_fit_are_a_warning():
    page = _page(scores=np.array([2.0, 2.1]), held_out=False)
    assert "judged on images it was fitted to" in page


def test_more_draws_are_shown_beside_one():
    page = _page(scores=np.ones(4), tightened=Tightened(16, np.full(4, 2.0), np.full(4, 1.75)))
    assert "0.25 bits tighter" in page


def _neighbours(samples: np.ndarray, held_out: np.ndarray | None) -> str:
    return _page(neighbours=Neighbours(Shown(PICTURE, "pairs"), samples, held_out, 1000))


def test_natural_distances_are_no_memorisation():
    page = _neighbours(RNG.normal(10, 1, 200), RNG.normal(10, 1, 200))
    assert "No sign of memorisation" in page
    assert "No warnings" in page


def test_samples_close_to_training_images_are_a_warning():
    samples = np.where(np.arange(200) < 60, 0.0, RNG.normal(10, 1, 200))
    page = _neighbours(samples, RNG.normal(10, 1, 200))
    assert page.count("learned training images by heart;") == 2
    assert '<td class="number">60</td>' in page


def test_samples_like_nothing_are_said_to_be_far():
    assert "further away than new images do" in _neighbours(np.full(50, 20.0), np.full(50, 9.0))
    assert "too few images to say" in _neighbours(np.full(50, 9.0), None)


def test_sets_are_told_apart_by_their_pairs():
    sets = {"the data": np.arange(10.0), "other": np.arange(10.0) + 4.5, "constant": np.zeros(3)}
    page = _page(sets=sets)
    # of 100 pairs, those in which the other is larger
    more = np.mean((np.arange(10.0) + 4.5)[:, None] > np.arange(10.0))
    assert f"{100 * more:.1f}" in page
    assert "does not clearly tell the data from “other”" in page
    # simple images are explained, not alarming
    assert "from “constant”" not in page
    assert "very simple" in page


def test_a_model_that_does_not_invert_is_a_warning():
    fine, bad = (RoundTrip(np.array([1e-7, error]), 0.0, "float32") for error in (1e-6, 0.02))
    assert "not invertible" not in _page(round_trip=fine)
    assert "not invertible to 0.001 in float32" in _page(round_trip=bad)


def test_the_learning_curve_is_in_bits():
    history = [{"epoch": k, "train": 3.0 - k / 10, "validation": 3.1 - k / 10} for k in (1, 2, 3)]
    page = _page(history=[*history, {"epoch": 4, "train": 2.5, "validation": 2.9}])
    assert "lowest, 2.8 bits per dimension, in epoch 3" in page


def test_what_cannot_be_drawn_is_refused(tmp_path):
    with pytest.raises(DataError, match="'scores' must be finite"):
        _page(scores=np.array([np.inf]))
    with pytest.raises(ShapeError, match=r"uint8, got \(4, 4, 3\) and float64"):
        write_image_report(
            ImageReportContent("x", samples=[Shown(np.zeros((4, 4, 3)), "x")]), tmp_path / "x.html"
        )
    assert not (tmp_path / "x.html").exists()
