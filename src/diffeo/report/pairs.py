"""Data beside samples, for every pair of columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from diffeo.arrays import ArrayLike, column_names, to_tensor
from diffeo.errors import DataError, ShapeError, import_extra

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_pairs"]

DATA, SAMPLES = "#2c6fbb", "#d9651d"
MAPS = {DATA: "Blues", SAMPLES: "Oranges"}
BINS = 40


def plot_pairs(data: ArrayLike, samples: ArrayLike, names: Sequence[str] | None = None) -> Figure:
    """Lay samples beside data, for every pair of columns.

    Below the diagonal are two-dimensional histograms of the data, above it the same pairs of the
    samples, and on it the histograms of both. A perfect model makes the picture symmetric.

    Args:
        data: (rows, D), an array, a tensor or a data frame.
        samples: (other rows, D).
        names: of the columns; by default those of a data frame, or x0, x1, ...

    Returns:
        The figure, which a notebook shows and ``savefig`` saves.

    Raises:
        MissingExtraError: matplotlib is not installed.
        ShapeError: data and samples of different widths, or another number of names.
        DataError: no rows, or values that are not finite numbers.

    Example:
        >>> import torch, diffeo
        >>> from diffeo.report import plot_pairs
        >>> figure = plot_pairs(torch.randn(500, 3), torch.randn(500, 3), names=["a", "b", "c"])
    """
    tables = _table(data, "data"), _table(samples, "samples")
    width = tables[0].shape[1]
    if tables[1].shape[1] != width:
        raise ShapeError(f"data has {width} columns, but samples has {tables[1].shape[1]}")
    given = column_names(data) if names is None else names
    labels = [f"x{i}" for i in range(width)] if given is None else [str(name) for name in given]
    if len(labels) != width:
        raise ShapeError(f"names must name {width} columns, got {len(labels)}")
    side = max(4.0, 1.9 * width)
    figure: Figure = import_extra("matplotlib.figure", "report").Figure(figsize=(side, side))
    axes = figure.subplots(width, width, squeeze=False)
    limits = [_limits(*(table[:, i] for table in tables)) for i in range(width)]
    for row in range(width):
        for column in range(width):
            ax = axes[row, column]
            if row == column:
                _draw_both(ax, [table[:, row] for table in tables], limits[row])
            else:
                table, colour = (tables[0], DATA) if row > column else (tables[1], SAMPLES)
                _draw_pair(ax, table[:, [column, row]], (limits[column], limits[row]), colour)
            _label(ax, labels, row, column)
    _finish(figure, side)
    return figure


def _table(given: ArrayLike, name: str) -> Tensor:
    table = to_tensor(given, torch.empty(0, dtype=torch.float64), name, cast=True)
    if table.ndim != 2 or not table.shape[1]:
        raise ShapeError(f"{name} must have shape (rows, columns), got {tuple(table.shape)}")
    if not len(table):
        raise DataError(f"{name} has no rows")
    bad = (~table.isfinite()).nonzero()
    if len(bad):
        row, column = bad[0].tolist()
        names = column_names(given) or range(table.shape[1])
        raise DataError(
            f"{name} must be finite, but row {row}, column {names[column]!r} holds "
            f"{table[row, column].item()}; drop the row or fill the value"
        )
    return table


def _limits(data: Tensor, samples: Tensor) -> tuple[float, float]:
    """All but the furthest thousandth of both on each side, and a margin."""
    ends = torch.tensor([0.001, 0.999], dtype=data.dtype)
    edges = torch.stack([_quantile(data, ends), _quantile(samples, ends)])
    low, high = edges[:, 0].min().item(), edges[:, 1].max().item()
    margin = 0.04 * (high - low) or 0.5  # a constant column has no width
    return low - margin, high + margin


def _quantile(values: Tensor, ends: Tensor) -> Tensor:
    """``torch.quantile`` without its limit on the number of values."""
    index = (ends * (len(values) - 1)).round().long()
    return values.sort().values[index]


def _draw_both(ax: Axes, columns: list[Tensor], limits: tuple[float, float]) -> None:
    for values, colour, name in zip(columns, (DATA, SAMPLES), ("data", "samples"), strict=True):
        ax.hist(
            values.numpy(),
            bins=BINS,
            range=limits,
            weights=torch.full_like(values, 1 / len(values)).numpy(),
            histtype="stepfilled",
            facecolor=(colour, 0.25),
            edgecolor=colour,
            linewidth=1.2,
            label=name,
        )
    ax.set_xlim(*limits)
    ax.margins(y=0.08)


def _draw_pair(
    ax: Axes, pair: Tensor, limits: tuple[tuple[float, float], tuple[float, float]], colour: str
) -> None:
    """A histogram whose colours are as the square root of the counts, so that tails show."""
    norm = import_extra("matplotlib.colors", "report").PowerNorm(0.5, vmin=0)
    across, up = pair.unbind(-1)
    ax.hist2d(
        across.numpy(),
        up.numpy(),
        bins=BINS,
        range=limits,
        cmap=MAPS[colour],
        norm=norm,
        cmin=1,  # empty cells stay white
        rasterized=True,
    )


def _label(ax: Axes, labels: list[str], row: int, column: int) -> None:
    """Ticks and names at the outer edges only; the diagonal's own heights mean nothing."""
    ax.locator_params(nbins=3)
    ax.tick_params(labelsize=8, length=2.5)
    ax.tick_params(axis="x", rotation=30)
    if row == len(labels) - 1:
        ax.set_xlabel(labels[column])
    else:
        ax.tick_params(axis="x", bottom=False, labelbottom=False)
    if column or row == column:
        ax.tick_params(axis="y", left=False, labelleft=False)
    if column == 0 and len(labels) > 1:
        ax.set_ylabel(labels[row])


def _finish(figure: Figure, side: float) -> None:
    """Margins and one legend in inches, whatever the number of columns."""
    figure.subplots_adjust(
        left=0.8 / side,
        right=1 - 0.12 / side,
        bottom=0.7 / side,
        top=1 - 0.5 / side,
        wspace=0.08,
        hspace=0.08,
    )
    figure.align_labels()
    handles, names = figure.axes[0].get_legend_handles_labels()
    if len(figure.axes) > 1:
        names = [f"{name} ({where})" for name, where in zip(names, ("below", "above"), strict=True)]
    figure.legend(handles, names, loc="upper center", ncols=2, frameon=False)
