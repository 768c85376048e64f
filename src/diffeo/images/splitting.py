"""Which images are trained on, and which are held out."""

from __future__ import annotations

import numpy as np
import torch

from diffeo.errors import DataError
from diffeo.images.image_data import ImageData
from diffeo.training.data import split_rows

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
    train, held_out = split_rows(len(data), share, seed)
    if len(train) == 0:
        train, held_out = held_out[:1], held_out[1:]
    if data.labels is not None:
        # every k-th image of a random order sorted by class: a share of each
        order = torch.cat([held_out, train]).numpy()
        order = order[np.argsort(data.labels[order], kind="stable")]
        at = (np.arange(len(held_out)) + 0.5) * len(order) / len(held_out)
        chosen = np.zeros(len(order), dtype=bool)
        chosen[order[at.astype(np.int64)]] = True
        return data.subset(~chosen), data.subset(chosen)
    return data.subset(np.sort(train.numpy())), data.subset(np.sort(held_out.numpy()))


def evenly(data: ImageData, most: int) -> ImageData:
    """At most so many images, at even distances: those of a folder stand class by class."""
    if len(data) <= most:
        return data
    return data.subset(np.linspace(0, len(data) - 1, most).astype(np.int64))
