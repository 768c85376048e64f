"""A picture of a search: what each setting gave, and how the best came about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from diffeo.errors import DataError, ShapeError, import_extra

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_search"]

GREY, BEST = "#9a9a9a", "#c8352b"


def plot_search(
    across: Sequence[float],
    colour: Sequence[float],
    values: Sequence[float | None],
    *,
    labels: tuple[str, str, str],
    title: str = "",
) -> Figure:
    """Draw trials by one setting coloured by another, beside the history of the search.

    Args:
        across: one setting a trial, positive; drawn on a log scale.
        colour: the other setting, positive; on a log scale.
        values: what was minimised, or None for a trial that was stopped early. Where all are
            positive they are on a log scale.
        labels: of the two settings and of the values.
        title: of the figure.

    Returns:
        The figure: on the left the finished trials, a star on the best, ticks below for those that
        were stopped; on the right the values in order, and the best so far.

    Raises:
        MissingExtraError: matplotlib is not installed.
        ShapeError: settings and values of different numbers.
        DataError: no finished trial.
    """
    if not len(across) == len(colour) == len(values):
        raise ShapeError(
            f"across, colour and values must be of one length, got {len(across)}, {len(colour)} "
            f"and {len(values)}"
        )
    finished = np.array([value is not None for value in values])
    if not finished.any():
        raise DataError("no trial has finished, so there is nothing to draw")
    value = np.array([np.nan if v is None else v for v in values], dtype=float)
    figure: Figure = import_extra("matplotlib.figure", "report").Figure(
        figsize=(9, 3.6), layout="constrained"
    )
    left, right = figure.subplots(1, 2, sharey=True)
    if np.nanmin(value) > 0:
        left.set_yscale("log")
    points = _draw_settings(left, np.asarray(across), np.asarray(colour), value)
    colours: Any = figure.colorbar(points, ax=left, label=labels[1])
    _plain_ticks(colours.ax.yaxis, np.asarray(colour))
    _draw_history(right, value)
    left.set_xlabel(labels[0])
    left.set_ylabel(labels[2])
    right.set_xlabel("trial")
    figure.suptitle(title, fontsize=11)
    return figure


def _draw_settings(ax: Axes, across: Any, colour: Any, value: Any) -> Any:
    finished = np.isfinite(value)
    norm = import_extra("matplotlib.colors", "report").LogNorm(colour.min(), colour.max())
    ax.set_xscale("log")
    points = ax.scatter(
        across[finished], value[finished], c=colour[finished], norm=norm, s=28, zorder=2
    )
    stopped = across[~finished]
    ax.plot(
        stopped,
        np.full(len(stopped), 0.02),
        "|",
        color=GREY,
        markersize=9,
        transform=ax.get_xaxis_transform(),
        label=f"stopped early ({len(stopped)})",
    )
    best = int(np.nanargmin(value))
    ax.plot(across[best], value[best], "*", color=BEST, markersize=14, zorder=3, label="best")
    ax.margins(y=0.12)
    ax.legend(fontsize=8)
    return points


def _plain_ticks(axis: Any, values: Any) -> None:
    """Powers of two as they are written, where a few of them lie within the values."""
    low, high = np.log2(values.min()), np.log2(values.max())
    ticks = 2.0 ** np.arange(np.ceil(low), np.floor(high) + 1)
    axis.set_ticks(ticks, labels=[f"{tick:g}" for tick in ticks])
    axis.set_ticks([], minor=True)


def _draw_history(ax: Axes, value: Any) -> None:
    number = np.arange(1, len(value) + 1)
    best = np.fmin.accumulate(value)
    ax.plot(number, value, "o", color=GREY, markersize=4, label="a trial")
    ax.step(number, best, where="post", color=BEST, label="best so far")
    ax.locator_params(axis="x", integer=True)
    ax.legend(fontsize=8)
