"""Images that a model is probed with: near ones, broken ones, simple ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from diffeo.images.image_data import ImageData, Levels

__all__ = ["constant", "nearest", "shuffled"]

Floats = npt.NDArray[np.float64]
# distances at a time
_BLOCK = 4_000_000


def nearest(queries: Levels, training: Levels) -> tuple[npt.NDArray[np.intp], Floats]:
    """For each query the nearest training image, by Euclidean distance of levels.

    Args:
        queries: (n, C, H, W).
        training: (m, C, H, W), m >= 1.

    Returns:
        Indices (n,) into ``training``, and distances (n,).
    """
    q = queries.reshape(len(queries), -1).astype(np.float64)
    best = np.full(len(q), np.inf)
    at = np.zeros(len(q), dtype=np.intp)
    size = max(1, _BLOCK // max(len(q), q.shape[1], 1))
    for start in range(0, len(training), size):
        rows = training[start : start + size].reshape(-1, q.shape[1]).astype(np.float64)
        # of whole numbers, so that the squares do not cancel to anything but the truth
        squares = (q**2).sum(1)[:, None] - 2 * q @ rows.T + (rows**2).sum(1)
        found = squares.argmin(1)
        values = squares[np.arange(len(q)), found]
        closer = values < best
        best[closer], at[closer] = values[closer], start + found[closer]
    return at, np.sqrt(best)


def shuffled(data: ImageData, seed: int = 0) -> ImageData:
    """The same images with their pixels in random order, without labels."""
    rng = np.random.default_rng(seed)
    flat = data.pixels.reshape(len(data), data.pixels.shape[1], -1)
    mixed = np.stack([image[:, rng.permutation(image.shape[1])] for image in flat])
    return replace(data, pixels=mixed.reshape(data.pixels.shape), labels=None, names=None)


def constant(data: ImageData, count: int) -> ImageData:
    """``count`` images of one level each, from the lowest to the highest, without labels."""
    levels = np.linspace(0, 2**data.bits - 1, count).round().astype(data.pixels.dtype)
    pixels = np.ones((count, *data.image_shape), data.pixels.dtype) * levels[:, None, None, None]
    return replace(data, pixels=pixels, labels=None, names=None)
