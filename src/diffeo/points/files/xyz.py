"""XYZ files: a point a line, its coordinates as text."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from diffeo.errors import DataError
from diffeo.reading.array_files import Array

__all__ = ["read_xyz", "xyz_bytes"]

# what else stands in a line, such as normals or colours, is not read
_MOST = 3


def read_xyz(path: Path) -> Array:
    """The first three numbers of every line, or both of two; comments start with #.

    Raises:
        DataError: a line that holds no such numbers; it is named.
        OSError: the file cannot be read.
    """
    points: list[list[float]] = []
    try:
        lines = path.read_text("utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is no text, and so no .xyz file: {error}") from error
    for number, line in enumerate(lines, 1):
        words = line.partition("#")[0].replace(",", " ").split()
        if words:
            points.append(_point(path, number, words, points))
    if not points:
        raise DataError(f"{path}: cloud 0 has no points")
    return np.array(points)


def _point(path: Path, number: int, words: list[str], before: list[list[float]]) -> list[float]:
    try:
        point = [float(word) for word in words[:_MOST]]
    except ValueError as error:
        raise DataError(
            f"{path}, line {number}: {' '.join(words)!r} does not start with coordinates"
        ) from error
    wanted = len(before[0]) if before else max(2, len(point))
    if len(point) != wanted:
        raise DataError(f"{path}, line {number} has {len(point)} coordinates, not {wanted}")
    return point


def xyz_bytes(cloud: Array) -> bytes:
    """An XYZ file of points (n, dim), with all digits of float32."""
    text = io.BytesIO()
    np.savetxt(text, cloud, fmt="%.9g")
    return text.getvalue()
