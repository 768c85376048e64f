"""Many images as one picture, and pictures as PNG files."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from diffeo.checks import check_bits, check_count
from diffeo.errors import DataError, ShapeError, import_extra
from diffeo.files import replacing
from diffeo.images.image_data import Array, check_levels
from diffeo.images.loading.arrays import plain
from diffeo.labels import first_index

__all__ = ["image_grid", "write_png"]

Picture = npt.NDArray[np.uint8]
BACKGROUND = 255


def image_grid(
    images: Array | torch.Tensor,
    columns: int | None = None,
    padding: int = 1,
    bits: int = 8,
) -> Picture:
    r"""Images row by row in one picture, white between and around them.

    Args:
        images: (N, C, H, W) with C = 1, 3 or 4, levels from 0 to $2^{bits} - 1$; of floats, as a
            flow over real pixels draws them, the whole part counts, and what lies outside is
            drawn as the nearest level.
        columns: images in a row; by default about as many as there are rows.
        padding: pixels between images.
        bits: the depth of the images.

    Returns:
        (rows * (H + padding) + padding, columns * (W + padding) + padding, C).

    Raises:
        ShapeError: anything but images.
        DataError: whole numbers outside the depth, or floats that are NaN.
        ValueError: ``columns``, ``padding`` or ``bits`` that are no such numbers.

    Example:
        >>> import torch
        >>> from diffeo.images import image_grid
        >>> image_grid(torch.randint(256, (10, 3, 8, 8)), columns=5).shape
        (19, 46, 3)
    """
    array = plain(images)
    if not isinstance(array, np.ndarray):
        raise ShapeError(f"image_grid: expected an array or a tensor, got {type(array).__name__}")
    if array.ndim != 4 or array.shape[1] not in (1, 3, 4) or 0 in array.shape:
        raise ShapeError(
            f"image_grid: expected images of shape (N, C, H, W) with C = 1, 3 or 4, got "
            f"{array.shape}"
        )
    if isinstance(padding, bool) or not isinstance(padding, int) or padding < 0:
        raise ValueError(f"padding must be a whole number >= 0, got {padding!r}")
    count, channels, height, width = array.shape
    columns = math.ceil(math.sqrt(count)) if columns is None else check_count("columns", columns)
    rows = math.ceil(count / columns)
    cells: Picture = np.full(
        (rows * columns, height + padding, width + padding, channels), BACKGROUND, np.uint8
    )
    cells[:count, padding:, padding:] = _shades(array, bits).transpose(0, 2, 3, 1)
    cells = cells.reshape(rows, columns, *cells.shape[1:]).swapaxes(1, 2)
    grid = cells.reshape(rows * (height + padding), columns * (width + padding), channels)
    edge = ((0, padding), (0, padding), (0, 0))
    return np.pad(grid, edge, constant_values=BACKGROUND)


def _shades(array: Array, bits: int) -> Picture:
    """Levels as bytes, the highest as 255."""
    check_bits(bits)
    top = 2**bits - 1
    if array.dtype.kind == "f":
        if np.isnan(array).any():
            where = first_index(np.isnan(array))
            raise DataError(f"image_grid: image {where[0]} holds NaN at {list(where[1:])}")
        array = np.floor(array.astype(np.float64).clip(0, top))
    elif array.dtype.kind in "iu":
        check_levels(array, bits, "image_grid")
    else:
        raise DataError(f"image_grid: images are whole numbers or floats, got {array.dtype}")
    return np.rint(array.astype(np.float64) * (255 / top)).astype(np.uint8)


def write_png(path: str | os.PathLike[str], grid: Picture) -> None:
    """Write a picture, (H, W, C) of bytes with C = 1, 3 or 4, as a PNG file, whole or not at all.

    Raises:
        ShapeError: another shape or dtype.
        ValueError: a path that does not end in .png.
        OSError: the file cannot be written.
        MissingExtraError: Pillow is not installed.

    Example:
        >>> import torch
        >>> from diffeo.images import image_grid, write_png
        >>> write_png("noise.png", image_grid(torch.randint(256, (64, 3, 8, 8))))
    """
    if Path(path).suffix.lower() != ".png":
        raise ValueError(f"{path}: pictures are written as PNG; let the name end in .png")
    if grid.ndim != 3 or grid.shape[2] not in (1, 3, 4) or grid.dtype != np.uint8 or not grid.size:
        raise ShapeError(
            f"{path}: a picture has the shape (H, W, C) with C = 1, 3 or 4 and the dtype uint8, "
            f"got {grid.shape} and {grid.dtype}; image_grid makes one"
        )
    pillow = import_extra("PIL.Image", "images")
    with replacing(path) as temporary:
        pillow.fromarray(grid[:, :, 0] if grid.shape[2] == 1 else grid).save(temporary, "PNG")
