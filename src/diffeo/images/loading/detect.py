"""Whether a path holds images or a table, before either is read."""

from __future__ import annotations

import os
from pathlib import Path

from diffeo.errors import DataError
from diffeo.images.loading.idx import is_idx
from diffeo.reading.array_files import Archive, npy_shape

__all__ = ["holds_images"]


def holds_images(path: str | os.PathLike[str]) -> bool:
    """Whether ``path`` is a folder, a file of MNIST or CIFAR-10, or has arrays of 3 or 4 axes.

    A file that is damaged, or not there, holds none: whoever reads it will say what is wrong.

    Example:
        >>> import numpy as np
        >>> from diffeo.images.loading.detect import holds_images
        >>> np.save("digits.npy", np.zeros((20, 8, 8), np.uint8))
        >>> holds_images("digits.npy"), holds_images("table.csv")
        (True, False)
    """
    file = Path(path)
    if file.is_dir():
        return True
    try:
        return is_idx(file) or file.suffix.lower() == ".bin" or _deep(file)
    except (DataError, OSError):
        return False


def _deep(file: Path) -> bool:
    suffix = file.suffix.lower()
    shapes = []
    if suffix == ".npy":
        shapes = [npy_shape(file)]
    elif suffix == ".npz":
        shapes = [*Archive(file).shapes.values()]
    return any(len(shape) in (3, 4) for shape in shapes)
