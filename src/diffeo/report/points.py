"""Clouds of points from several sides, as one picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from diffeo.errors import ShapeError, import_extra

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["VIEWS", "plot_clouds", "projected"]

Cloud = np.ndarray[Any, Any]
# degrees around the upright axis, and above the horizon
VIEWS = ((40.0, 20.0), (130.0, 20.0), (40.0, 80.0))
AXES = "xyz"


def projected(cloud: Cloud, azimuth: float, elevation: float, up: str = "z") -> Cloud:
    """What a far eye sees of points: to the right, upwards, and towards the eye.

    Args:
        cloud: (n, 3).
        azimuth, elevation: of the eye, in degrees.
        up: the upright axis, "x", "y" or "z".

    Returns:
        (n, 3).

    Raises:
        ShapeError: points of other dimension.
        ValueError: no such axis.
    """
    if cloud.ndim != 2 or cloud.shape[1] != 3:
        raise ShapeError(f"points seen from a side have the shape (n, 3), got {cloud.shape}")
    if up not in tuple(AXES):
        raise ValueError(f"up must be 'x', 'y' or 'z', got {up!r}")
    turn, lift = math.radians(azimuth), math.radians(elevation)
    # the axes in turn, so that the upright one is last
    last = AXES.index(up)
    upright = cloud[:, [(last + 1) % 3, (last + 2) % 3, last]]
    right = np.array([-math.sin(turn), math.cos(turn), 0.0])
    towards = np.array(
        [math.cos(lift) * math.cos(turn), math.cos(lift) * math.sin(turn), math.sin(lift)]
    )
    return upright @ np.stack([right, np.cross(towards, right), towards], axis=1)


def plot_clouds(
    clouds: Sequence[Cloud],
    titles: Sequence[str] = (),
    *,
    views: Sequence[tuple[float, float]] = VIEWS,
    up: str = "z",
) -> Figure:
    """Draw clouds beside each other, a row for each side they are seen from; near points are dark.

    Args:
        clouds: each (n, 3), or (n, 2), which have one side.
        titles: above each; none by default.
        views: azimuth and elevation of each row, in degrees.
        up: the upright axis.

    Returns:
        The figure.

    Raises:
        MissingExtraError: matplotlib is not installed.
        ShapeError: no clouds, or titles for another number of them.

    Example:
        >>> import numpy as np
        >>> from diffeo.report.points import plot_clouds
        >>> figure = plot_clouds(np.random.default_rng(0).normal(size=(4, 500, 3)))
        >>> len(figure.axes)
        12
    """
    if not len(clouds) or (titles and len(titles) != len(clouds)):
        raise ShapeError(f"{len(clouds)} clouds cannot be drawn under {len(titles)} titles")
    flat = clouds[0].shape[1] == 2
    sides = [None] if flat else list(views)
    figure: Figure = import_extra("matplotlib.figure", "report").Figure(
        figsize=(1.9 * len(clouds), 1.9 * len(sides) + (0.3 if titles else 0.0)),
        layout="constrained",
    )
    axes = figure.subplots(len(sides), len(clouds), squeeze=False)
    for row, side in zip(axes, sides, strict=True):
        for axis, cloud in zip(row, clouds, strict=True):
            seen = cloud if side is None else projected(cloud, *side, up)
            depth = None if flat else seen[:, 2]
            order = slice(None) if depth is None else np.argsort(depth)
            size = max(0.3, min(6.0, 4000 / len(cloud)))
            axis.scatter(
                *seen[order, :2].T,
                c="#2c6fbb" if depth is None else depth[order],
                s=size,
                cmap=None if depth is None else "viridis_r",
                linewidths=0,
            )
            axis.set_aspect("equal")
            axis.set_axis_off()
    for axis, title in zip(axes[0], titles, strict=False):
        axis.set_title(title, fontsize=9)
    return figure
