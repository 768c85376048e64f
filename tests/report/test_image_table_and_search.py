"""Image tables share a row's scale; pictures of searches show every trial."""

from __future__ import annotations

import numpy as np
import pytest

from diffeo.errors import DataError, MissingExtraError, ShapeError
from diffeo.report import plot_image_table, plot_search

BOUNDS = [(-1.0, 1.0, -2.0, 2.0), (0.0, 3.0, 0.0, 3.0)]


def _images():
    return [[np.full((4, 5), value) for value in row] for row in ([2.0, 3.0, 1.0], [5.0, 1.0, 9.0])]


def test_a_row_has_the_scale_of_its_first_image():
    titles = [["", "one", "two"], ["", "three", "four"]]
    figure = plot_image_table(_images(), titles, rows="ab", columns="xyz", bounds=BOUNDS)
    images = [ax.images[0] for ax in figure.axes]
    assert [image.get_clim() for image in images] == [(0, 2)] * 3 + [(0, 5)] * 3
    assert images[4].get_extent() == [0.0, 3.0, 0.0, 3.0]
    assert [ax.get_title() for ax in figure.axes[:3]] == ["x\n", "y\none", "z\ntwo"]
    assert figure.axes[5].get_title() == "four"
    assert figure.axes[3].get_ylabel() == "b"


def test_an_image_table_with_gaps_is_refused():
    with pytest.raises(ShapeError, match="titles must be 2 rows of 3"):
        plot_image_table(_images(), [[""] * 3, [""]], rows="ab", columns="xyz", bounds=BOUNDS)


def _search(values, **options):
    count = len(values)
    return plot_search(
        np.geomspace(0.001, 0.1, count),
        np.geomspace(2, 64, count),
        values,
        labels=("lr", "K", "KL"),
        **options,
    )


def test_a_search_shows_trials_best_and_history():
    figure = _search([0.5, None, 0.2, 0.8, 0.1, None], title="U1")
    left, right = figure.axes[:2]
    assert len(left.collections[0].get_offsets()) == 4
    assert len(left.collections[1].get_offsets()) == 2
    (best,) = left.lines
    assert (best.get_xdata()[0], best.get_ydata()[0]) == (pytest.approx(0.1 ** (1.4)), 0.1)
    assert left.get_yscale() == "log"
    np.testing.assert_array_equal(right.lines[0].get_ydata(), [0.5, 0.5, 0.2, 0.2, 0.1, 0.1])
    assert [text.get_text() for text in left.get_legend().get_texts()] == [
        "stopped early (2)",
        "best",
    ]


def test_values_below_zero_are_on_a_linear_scale():
    assert _search([0.5, -0.2]).axes[0].get_yscale() == "linear"


def test_one_trial_is_drawn():
    figure = plot_search([0.01], [8], [0.5], labels=("lr", "K", "KL"))
    figure.canvas.draw()
    assert len(figure.axes[0].collections[0].get_offsets()) == 1


def test_searches_without_a_finished_trial_are_refused():
    with pytest.raises(DataError, match="no trial has finished"):
        _search([None, None])
    with pytest.raises(ShapeError, match="one length, got 1, 2 and 1"):
        plot_search([0.1], [1, 2], [0.3], labels=("lr", "K", "KL"))


def test_a_missing_matplotlib_names_the_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"diffeo\[report\]"):
        _search([0.5, 0.2])
