"""Whether a path holds clouds of points, before it is read."""

from __future__ import annotations

import os
from pathlib import Path

from diffeo.errors import DataError
from diffeo.points.files.archives import CLOUDS
from diffeo.points.files.loading import SUFFIXES
from diffeo.points.point_data import DIMS
from diffeo.reading.array_files import Archive, npy_shape
from diffeo.reading.splits import parts_called

__all__ = ["holds_clouds"]


def holds_clouds(path: str | os.PathLike[str]) -> bool:
    """Whether ``path`` is a .ply or .xyz file, a folder of them, or has arrays (n, points, 2 or 3).

    Several arrays (points, 3) are clouds, too; one alone may be a table, and is taken for it. A
    file that is damaged, or not there, holds none: whoever reads it will say what is wrong.

    Example:
        >>> import numpy as np
        >>> from diffeo.points.files.detect import holds_clouds
        >>> np.save("clouds.npy", np.zeros((20, 100, 3)))
        >>> holds_clouds("clouds.npy"), holds_clouds("table.csv")
        (True, False)
    """
    file = Path(path)
    try:
        if file.is_dir():
            return any(p.suffix.lower() in SUFFIXES for p in (*file.glob("*"), *file.glob("*/*")))
        suffix = file.suffix.lower()
        if suffix == ".npy":
            return _many(npy_shape(file))
        if suffix == ".npz":
            archive = Archive(file)
            named = parts_called(archive, CLOUDS).values()
            if named:
                return any(_many(archive.shapes[name]) for name in named)
            return len(archive.shapes) > 1 and all(map(_one, archive.shapes.values()))
        return suffix in SUFFIXES
    except (DataError, OSError):
        return False


def _many(shape: tuple[int, ...]) -> bool:
    return len(shape) == 3 and shape[-1] in DIMS


def _one(shape: tuple[int, ...]) -> bool:
    return len(shape) == 2 and shape[-1] in DIMS
