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

BEST = "#c8352b"


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
        The figure: on the left trials by setting, a ring round the best; on the right in their
        order, with the best so far. Trials that were stopped are ticks at the lower edge.

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
    paint = _Paint(np.asarray(colour))
    points = _draw_trials(left, np.asarray(across), value, paint)
    _draw_trials(right, np.arange(1, len(value) + 1), value, paint)
    _draw_best(left, right, np.asarray(across), value)
    bar: Any = figure.colorbar(points, ax=[left, right], label=labels[1], pad=0.01)
    _plain_ticks(bar.ax.yaxis, np.asarray(colour))
    left.set_xscale("log")
    left.set_xlabel(labels[0])
    left.set_ylabel(labels[2])
    right.set_xlabel("trial")
    right.locator_params(axis="x", integer=True)
    figure.suptitle(title, fontsize=11)
    return figure


class _Paint:
    """The colours of trials, on a log scale."""

    def __init__(self, setting: Any) -> None:
        self.setting = setting
        low, high = setting.min(), setting.max()
        # a scale needs a width
        ends = (low, high) if low < high else (low / 2, high * 2)
        self.norm = import_extra("matplotlib.colors", "report").LogNorm(*ends)


def _draw_trials(ax: Axes, x: Any, value: Any, paint: _Paint) -> Any:
    """Dots for values; ticks at the lower edge for trials that were stopped early."""
    finished = np.isfinite(value)
    points = ax.scatter(
        x[finished], value[finished], c=paint.setting[finished], norm=paint.norm, s=28, zorder=3
    )
    stopped = x[~finished]
    ax.scatter(
        stopped,
        np.full(len(stopped), 0.03),
        c=paint.setting[~finished],
        norm=paint.norm,
        marker="|",
        s=90,
        linewidths=2,
        transform=ax.get_xaxis_transform(),
        label=f"stopped early ({len(stopped)})",
    )
    ax.margins(y=0.15)
    return points


def _draw_best(left: Axes, right: Axes, across: Any, value: Any) -> None:
    best = int(np.nanargmin(value))
    left.plot(
        across[best],
        value[best],
        "o",
        markersize=13,
        markerfacecolor="none",
        markeredgecolor=BEST,
        markeredgewidth=1.8,
        linestyle="none",
        label="best",
    )
    left.legend(fontsize=8, markerscale=0.6)
    number = np.arange(1, len(value) + 1)
    right.step(
        number, np.fmin.accumulate(value), where="post", color=BEST, zorder=2, label="best so far"
    )
    right.legend([right.lines[-1]], ["best so far"], fontsize=8)


def _plain_ticks(axis: Any, setting: Any) -> None:
    """Powers of two, written out."""
    ticks = 2.0 ** np.arange(np.ceil(np.log2(setting.min())), np.floor(np.log2(setting.max())) + 1)
    axis.set_ticks(ticks, labels=[f"{tick:g}" for tick in ticks])
    axis.set_ticks([], minor=True)
