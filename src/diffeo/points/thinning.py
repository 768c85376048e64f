"""Fewer points of a cloud, evenly spaced."""

from __future__ import annotations

from typing import Any

import numpy as np

from diffeo.checks import check_count
from diffeo.errors import DataError
from diffeo.points.stacks import arrays_of

__all__ = ["thinned"]


def thinned(cloud: Any, points: int, *, seed: int = 0) -> Any:
    """Some points of a cloud, each the farthest from those before it: farthest point sampling.

    Draws of a density lie in clumps and gaps. For points that are spaced evenly over a surface,
    draw several times as many as wanted, and thin them.

    Args:
        cloud: (n, dim).
        points: how many to keep, at most n.
        seed: of the first point.

    Returns:
        (points, dim), an array of the dtype of ``cloud``.

    Raises:
        DataError: a cloud of fewer points, or with points that are not finite.
        ValueError: ``points`` that is not a whole number of at least 1.

    Reference: "The Farthest Point Strategy for Progressive Image Sampling", Eldar, Lindenbaum,
    Porat, Zeevi, 1997, IEEE Transactions on Image Processing 6(9).

    Example:
        >>> import numpy as np
        >>> from diffeo.points import thinned
        >>> line = np.column_stack([np.arange(9.0), np.zeros(9)])
        >>> thinned(line, 4, seed=1)[:, 0]
        array([4., 0., 8., 2.])
    """
    (given,) = arrays_of([cloud])
    if check_count("points", points) > len(given):
        raise DataError(f"a cloud of {len(given)} points cannot be thinned to {points}")
    chosen = [int(np.random.default_rng(seed).integers(len(given)))]
    gaps = np.full(len(given), np.inf)
    while len(chosen) < points:
        gaps = np.minimum(gaps, ((given - given[chosen[-1]]) ** 2).sum(1))
        chosen.append(int(gaps.argmax()))
    return np.asarray(cloud)[chosen]
