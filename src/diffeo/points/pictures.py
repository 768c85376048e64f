"""Clouds as pictures, and as pages on which they can be turned."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from diffeo.errors import DataError
from diffeo.files import replacing
from diffeo.points.files import load_clouds
from diffeo.points.point_data import PointData
from diffeo.points.stacks import Clouds

__all__ = ["picture_clouds", "view_clouds"]

# columns of a picture; clouds that follow are left out
_MOST_DRAWN = 12


def picture_clouds(
    path: str | os.PathLike[str],
    clouds: Clouds | PointData,
    *,
    titles: Sequence[str] = (),
    up: str = "z",
    dpi: int = 120,
) -> None:
    """Write a PNG of up to 12 clouds beside each other, seen from several sides.

    Args:
        path: ends in .png; the file is written whole or not at all.
        clouds: (n, points, dim), (points, dim), a list of clouds, or ``PointData``.
        titles: above each cloud; by default those of ``PointData``.
        up: the upright axis, "x", "y" or "z".
        dpi: pixels an inch; a cloud is 1.9 inches wide.

    Raises:
        ValueError: a path that does not end in .png, or no such axis.
        DataError, ShapeError: clouds that are none.
        OSError: the file cannot be written.
        MissingExtraError: matplotlib is not installed.

    Example:
        >>> import numpy as np
        >>> from diffeo.points import picture_clouds
        >>> picture_clouds("clouds.png", np.random.default_rng(0).normal(size=(4, 500, 3)))
    """
    from diffeo.report.points import plot_clouds

    if Path(path).suffix.lower() != ".png":
        raise ValueError(f"{path}: pictures are written as PNG; let the name end in .png")
    data = _shown(clouds)
    figure = plot_clouds(data.clouds, titles or data.titles or (), up=up)
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=dpi, format="png")


def view_clouds(
    path: str | os.PathLike[str],
    clouds: Clouds | PointData,
    *,
    titles: Sequence[str] = (),
    title: str = "Clouds",
    up: str = "z",
) -> None:
    """Write an HTML page of up to 12 clouds that can be turned; it needs no network.

    Args:
        path: of the file, which is written whole or not at all.
        clouds, titles, up: as for ``picture_clouds``.
        title: of the page.

    Raises:
        DataError, ShapeError: clouds that are none.
        ValueError: no such axis.
        OSError: the file cannot be written.
        MissingExtraError: plotly is not installed.

    Example:
        >>> import numpy as np
        >>> from diffeo.points import view_clouds
        >>> view_clouds("clouds.html", np.random.default_rng(0).normal(size=(4, 500, 3)))
    """
    from diffeo.report.points_page import ShownCloud, write_viewer

    data = _shown(clouds)
    words = titles or data.titles or [f"{size:,} points" for size in data.sizes]
    if len(words) != len(data):
        raise DataError(f"{len(data)} clouds cannot be shown under {len(words)} titles")
    shown = [ShownCloud(c, str(w), up) for c, w in zip(data.clouds, words, strict=True)]
    write_viewer(shown, path, title=title)


def _shown(clouds: Clouds | PointData) -> PointData:
    data = clouds if isinstance(clouds, PointData) else load_clouds(clouds)
    return data.subset(slice(_MOST_DRAWN))
