"""Whether a path holds clouds of points, before it is read."""

from __future__ import annotations

import os
from pathlib import Path

from diffeo.errors import DataError
from diffeo.points.files.loading import SUFFIXES
from diffeo.points.point_data import DIMS
from diffeo.reading.array_files import Archive, npy_shape

__all__ = ["holds_clouds"]


def holds_clouds(path: str | os.PathLike[str]) -> bool:
    """Whether ``path`` is a .ply or .xyz file, a folder of them, or has arrays (n, points, 2 or 3).

    A file that is damaged, or not there, holds none: whoever reads it will say what is wrong.

    Example:
        >>> import numpy as np
        >>> from diffeo.points.files import holds_clouds
        >>> np.save("shapes.npy", np.zeros((20, 100, 3), np.float32))
        >>> holds_clouds("shapes.npy"), holds_clouds("bunny.ply"), holds_clouds("table.csv")
        (True, True, False)
    """
    file = Path(path)
    if file.is_dir():
        return any(p.suffix.lower() in SUFFIXES for p in file.glob("*")) or any(
            p.suffix.lower() in SUFFIXES for p in file.glob("*/*")
        )
    suffix = file.suffix.lower()
    if suffix in SUFFIXES:
        return True
    try:
        if suffix == ".npy":
            return _of_clouds(npy_shape(file))
        return suffix == ".npz" and any(map(_of_clouds, Archive(file).shapes.values()))
    except (DataError, OSError):
        return False


def _of_clouds(shape: tuple[int, ...]) -> bool:
    return len(shape) == 3 and shape[-1] in DIMS
