"""Where in space the points of a set of clouds lie."""

from __future__ import annotations

import numpy as np

from diffeo.arrays import Floats
from diffeo.checks import check_count
from diffeo.errors import ShapeError
from diffeo.points.stacks import Clouds, arrays_of

__all__ = ["occupancy_divergence"]


def occupancy_divergence(samples: Clouds, reference: Clouds, *, resolution: int = 28) -> float:
    r"""Jensen-Shannon divergence of where two sets of clouds put their points:

    $$JSD = H\left(\tfrac{P + Q}{2}\right) - \tfrac{1}{2} H(P) - \tfrac{1}{2} H(Q),$$

    in bits, from 0 to 1, with P and Q the shares of all points of a set in the cells of a grid over
    the box of both.

    Args:
        samples, reference: clouds, an array (n, points, dim) or a list.
        resolution: cells along the longest side of the box.

    Raises:
        ShapeError: clouds of different dimension.
        DataError: clouds without points, or points that are not finite.
        ValueError: a resolution below 1.

    Reference: "Learning Representations and Generative Models for 3D Point Clouds", Achlioptas,
    Diamanti, Mitliagkas, Guibas, 2018, arXiv:1707.02392.

    Example:
        >>> import numpy as np
        >>> from diffeo.points import occupancy_divergence
        >>> left, right = np.zeros((1, 10, 3)), np.ones((1, 10, 3))
        >>> occupancy_divergence(left, left), occupancy_divergence(left, right)
        (0.0, 1.0)
    """
    check_count("resolution", resolution)
    sets = [np.concatenate(arrays_of(clouds)) for clouds in (samples, reference)]
    if sets[0].shape[1] != sets[1].shape[1]:
        raise ShapeError(
            f"samples have {sets[0].shape[1]} coordinates, the reference {sets[1].shape[1]}"
        )
    low = np.minimum(sets[0].min(0), sets[1].min(0))
    size = float((np.maximum(sets[0].max(0), sets[1].max(0)) - low).max()) or 1.0
    shares = []
    for points in sets:
        cells = np.minimum((points - low) / size * resolution, resolution - 1).astype(np.int64)
        places = np.ravel_multi_index(tuple(cells.T), (resolution,) * cells.shape[1])
        counts = np.bincount(places, minlength=resolution ** cells.shape[1])
        shares.append(counts / counts.sum())
    both = 0.5 * (shares[0] + shares[1])
    return max(0.0, _entropy(both) - 0.5 * _entropy(shares[0]) - 0.5 * _entropy(shares[1]))


def _entropy(shares: Floats) -> float:
    """In bits."""
    some = shares[shares > 0]
    return float(-(some * np.log2(some)).sum())
