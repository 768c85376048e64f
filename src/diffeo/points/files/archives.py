"""Which arrays of an .npz file are the clouds, and which their labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from diffeo.errors import DataError
from diffeo.points.point_data import DIMS, PointData
from diffeo.reading.array_files import Archive, Array
from diffeo.reading.splits import choose, parts_called

__all__ = ["read_archive"]

CLOUDS = ("x", "clouds", "points", "data")
LABELS = ("y", "labels", "label", "targets")
SIZES = ("sizes",)
NAMES = ("classes", "names")


def read_archive(path: Path, split: str | None) -> PointData:
    """The clouds of an .npz file; see ``load_clouds``.

    Raises:
        DataError: no array that may be clouds.
    """
    archive = Archive(path)
    found = parts_called(archive, CLOUDS)
    if not found:
        return _each(archive, split)
    key = choose(found, split, str(path), "clouds")
    part = next(part for part, name in found.items() if name == key)
    labels = parts_called(archive, LABELS).get(part)
    sizes = parts_called(archive, SIZES).get(part)
    return PointData(
        _cut(archive, key, None if sizes is None else archive.read(sizes)),
        None if labels is None else archive.read(labels),
        f"{path} ({key})",
        _names(archive),
    )


def _cut(archive: Archive, key: str, sizes: Array | None) -> Sequence[Array]:
    """The clouds of an array (n, points, dim), of (points, dim), or of one cut at ``sizes``."""
    array = archive.read(key)
    if sizes is None:
        return as_clouds(array, f"{archive.path} ({key})")
    whole = array.ndim == 2 and sizes.ndim == 1 and sizes.dtype.kind in "iu"
    if not whole or sizes.sum() != len(array) or (len(sizes) and sizes.min() < 0):
        raise DataError(
            f"{archive.path}: {key} has the shape {array.shape}, which its sizes of shape "
            f"{sizes.shape} do not cut into clouds; they must add up to its rows"
        )
    return np.split(array, np.cumsum(sizes)[:-1])


def as_clouds(array: Array, source: str) -> Sequence[Array]:
    """The clouds of an array (n, points, dim), or the one of (points, dim).

    Raises:
        DataError: an array of another shape.
    """
    if array.ndim not in (2, 3) or array.shape[-1] not in DIMS:
        raise DataError(
            f"{source}: clouds are an array (n, points, dim), or (points, dim) for one, with dim 2 "
            f"or 3, got one of shape {array.shape}"
        )
    return [array] if array.ndim == 2 else list(array)


def _each(archive: Archive, split: str | None) -> PointData:
    """A cloud for each array, called by its name."""
    shapes = archive.shapes
    if not shapes or any(len(s) != 2 or s[-1] not in DIMS for s in shapes.values()):
        raise DataError(
            f"{archive.path} holds {archive.described()}; call the clouds 'x', or 'x_train' and "
            f"'x_test' (and their labels 'y', 'y_train' and 'y_test'), or let every array be one "
            f"cloud (points, dim)"
        )
    choose({None: shapes}, split, str(archive.path), "clouds")
    clouds = [archive.read(name) for name in shapes]
    return PointData(clouds, source=str(archive.path), titles=tuple(shapes))


def _names(archive: Archive) -> tuple[str, ...] | None:
    key = next((name for name in NAMES if name in archive.shapes), None)
    return None if key is None else tuple(str(name) for name in archive.read(key).ravel())
