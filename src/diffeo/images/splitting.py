"""Which images are trained on, and which are held out."""

from __future__ import annotations

import numpy as np

from diffeo.errors import DataError
from diffeo.images.image_data import ImageData
from diffeo.training.splitting import split_evenly

__all__ = ["evenly", "split_images"]


def split_images(data: ImageData, share: float, seed: int = 0) -> tuple[ImageData, ImageData]:
    """Images to train on and images to hold out, the same share of every class if there are labels.

    Args:
        data: the images.
        share: of those held out, in (0, 1); of a class of n, n * share of them, up to one.
        seed: of the choice.

    Returns:
        The images to train on, and those held out, each in the order of ``data``.

    Raises:
        DataError: fewer than two images.
        ValueError: a share that is not between 0 and 1.

    Example:
        >>> import numpy as np
        >>> from diffeo.images import load_images, split_images
        >>> data = load_images(np.zeros((20, 8, 8), np.uint8), labels=np.arange(20) % 2)
        >>> train, validation = split_images(data, 0.2)
        >>> len(train), np.bincount(validation.labels)
        (16, array([2, 2]))
    """
    if len(data) < 2:
        raise DataError(f"{data.source}: {len(data)} images cannot be split; two or more can")
    train, held_out = split_evenly(len(data), data.labels, share, seed)
    return data.subset(train), data.subset(held_out)


def evenly(data: ImageData, most: int) -> ImageData:
    """At most so many images, at even distances: those of a folder stand class by class."""
    if len(data) <= most:
        return data
    return data.subset(np.linspace(0, len(data) - 1, most).astype(np.int64))
