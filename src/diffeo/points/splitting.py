"""Which clouds are trained on, and which are held out."""

from __future__ import annotations

from diffeo.errors import DataError
from diffeo.points.point_data import PointData
from diffeo.training.splitting import split_evenly

__all__ = ["split_clouds"]


def split_clouds(data: PointData, share: float, seed: int = 0) -> tuple[PointData, PointData]:
    """Clouds to train on and clouds to hold out, the same share of every class if there are labels.

    Args:
        data: the clouds.
        share: of those held out, in (0, 1).
        seed: of the choice.

    Raises:
        DataError: fewer than two clouds.
        ValueError: a share that is not between 0 and 1.

    Example:
        >>> import numpy as np
        >>> from diffeo.points import load_clouds, split_clouds
        >>> train, held_out = split_clouds(load_clouds(np.zeros((20, 8, 3))), 0.2)
        >>> len(train), len(held_out)
        (16, 4)
    """
    if len(data) < 2:
        raise DataError(f"{data.source}: {len(data)} clouds cannot be split; two or more can")
    train, held_out = split_evenly(len(data), data.labels, share, seed)
    return data.subset(train), data.subset(held_out)
