"""plot_pairs puts data below the diagonal, samples above it and both on it."""

import numpy as np
import pandas as pd
import pytest
import torch

from diffeo.errors import DataError, ShapeError
from diffeo.report import plot_pairs


def counts(ax) -> np.ndarray:
    """Rows of points that a cell's histogram counts."""
    return np.asarray(np.ma.filled(np.ma.masked_invalid(ax.collections[0].get_array()), 0))


def centre(ax) -> tuple[float, float]:
    """Mean of a cell's histogram along both axes, in data units."""
    mesh = ax.collections[0].get_coordinates()
    middle = (mesh[:-1, :-1] + mesh[1:, 1:]) / 2
    weight = counts(ax).reshape(middle.shape[:2])
    mean = (middle * weight[..., None]).sum((0, 1)) / weight.sum()
    return float(mean[0]), float(mean[1])


@pytest.fixture
def tables():
    rng = np.random.default_rng(0)
    data = rng.normal([0.0, 10.0, -5.0], 1.0, (1000, 3))
    return data, data[:500] + np.array([1.0, 2.0, 3.0])


def test_cells_show_the_right_table_and_columns(tables):
    data, samples = tables
    axes = np.array(plot_pairs(data, samples).axes).reshape(3, 3)
    for row in range(3):
        for column in range(3):
            if row == column:
                assert len(axes[row, row].patches) == 2
                continue
            table = data if row > column else samples
            expected = table.mean(0)[[column, row]]
            assert centre(axes[row, column]) == pytest.approx(expected, abs=0.2)
            assert counts(axes[row, column]).sum() > 0.98 * len(table)


def test_names_stand_at_the_outer_edges(tables):
    figure = plot_pairs(*tables, names=["a", "b", "c"])
    axes = np.array(figure.axes).reshape(3, 3)
    assert [ax.get_xlabel() for ax in axes[-1]] == ["a", "b", "c"]
    assert [ax.get_ylabel() for ax in axes[:, 0]] == ["a", "b", "c"]
    assert not axes[0, 1].get_xlabel()


def test_frames_bring_their_names(tables):
    data, samples = tables
    figure = plot_pairs(pd.DataFrame(data, columns=["u", "v", "w"]), torch.tensor(samples))
    assert [ax.get_xlabel() for ax in figure.axes[-3:]] == ["u", "v", "w"]


def test_both_tables_share_the_limits(tables):
    data, samples = tables
    axes = np.array(plot_pairs(data, samples + 100).axes).reshape(3, 3)
    assert axes[1, 0].get_xlim() == axes[0, 0].get_xlim() == axes[0, 1].get_ylim()
    assert axes[0, 0].get_xlim()[1] > 100


def test_far_outliers_do_not_shrink_the_picture(tables):
    data, samples = tables
    data = np.concatenate([data] * 5)
    data[0] = 1e6
    axes = plot_pairs(data, samples).axes
    assert axes[0].get_xlim()[1] < 10


@pytest.mark.parametrize("width", [1, 2])
def test_few_columns_constant_ones_and_single_rows_are_drawn(width, tmp_path):
    figure = plot_pairs(np.full((5, width), 3.0), np.full((1, width), 3.0))
    figure.savefig(tmp_path / "few.png")
    assert (tmp_path / "few.png").stat().st_size > 0


def test_no_global_figure_is_made(tables):
    from matplotlib import pyplot

    plot_pairs(*tables)
    assert pyplot.get_fignums() == []


def test_bad_tables_are_refused(tables):
    data, samples = tables
    with pytest.raises(ShapeError, match="3 columns, but samples has 2"):
        plot_pairs(data, samples[:, :2])
    with pytest.raises(ShapeError, match="names must name 3 columns, got 2"):
        plot_pairs(data, samples, names=["a", "b"])
    with pytest.raises(ShapeError, match=r"samples must have shape \(rows, columns\)"):
        plot_pairs(data, samples[0])
    with pytest.raises(DataError, match="data has no rows"):
        plot_pairs(data[:0], samples)
    samples[4, 1] = np.nan
    with pytest.raises(DataError, match=r"samples must be finite, but row 4, column 1"):
        plot_pairs(data, samples)
    with pytest.raises(DataError, match="row 4, column 'v'"):
        plot_pairs(data, pd.DataFrame(samples, columns=["u", "v", "w"]))
