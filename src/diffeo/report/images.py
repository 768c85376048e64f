"""Densities in two dimensions beside each other, as one table of images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from diffeo.errors import ShapeError, import_extra

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["plot_image_table"]

Image = np.ndarray[Any, Any]


def plot_image_table(
    images: Sequence[Sequence[Image]],
    titles: Sequence[Sequence[str]],
    *,
    rows: Sequence[str],
    columns: Sequence[str],
    bounds: Sequence[tuple[float, float, float, float]],
) -> Figure:
    """Draw one image a cell; the scale of a row is that of its first image.

    Args:
        images: for each row its images (height, width), lowest line first, values >= 0.
        titles: of the images, below the headings of the columns.
        rows: names of the rows.
        columns: headings.
        bounds: of each row (left, right, bottom, top).

    Returns:
        The figure.

    Raises:
        MissingExtraError: matplotlib is not installed.
        ShapeError: images or titles that are no table of rows by columns.
    """
    for name, table in (("images", images), ("titles", titles)):
        if [len(row) for row in table] != [len(columns)] * len(rows):
            raise ShapeError(f"{name} must be {len(rows)} rows of {len(columns)}")
    figure: Figure = import_extra("matplotlib.figure", "report").Figure(
        figsize=(1.85 * len(columns) + 0.3, 2.05 * len(rows) + 0.4), layout="constrained"
    )
    axes = figure.subplots(len(rows), len(columns), squeeze=False)
    for i, row in enumerate(rows):
        top = float(np.max(images[i][0]))
        for j, column in enumerate(columns):
            ax = axes[i, j]
            ax.imshow(
                images[i][j],
                extent=bounds[i],
                origin="lower",
                vmin=0.0,
                vmax=top,
                interpolation="bilinear",
            )
            ax.set_xticks([])
            ax.set_yticks([])
            ax.set_title(f"{column}\n{titles[i][j]}" if i == 0 else titles[i][j], fontsize=9, pad=3)
        axes[i, 0].set_ylabel(row, rotation=0, labelpad=12, fontsize=11)
    return figure
