"""PLY files, by trimesh."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from diffeo.errors import DataError, import_extra
from diffeo.reading.array_files import Array

__all__ = ["ply_bytes", "read_ply"]

# the header of a PLY file is text, and this much of it is looked at
_HEADER = 2**16


def read_ply(path: Path, points: int, seed: int) -> Array:
    """The points of a PLY file, or ``points`` of them on the surface of its faces.

    Raises:
        DataError: a file that is no PLY, is cut short, or has no vertices.
        OSError: the file cannot be read.
        MissingExtraError: trimesh is not installed.
    """
    trimesh = import_extra("trimesh", "points")
    promised = _promised(path)
    if not promised:
        raise DataError(f"{path}: cloud 0 has no points")
    try:
        # vertices as they stand: merging equal ones would change the cloud
        found: Any = trimesh.load(path, file_type="ply", process=False)
        vertices = np.asarray(found.vertices)
    except Exception as error:
        # trimesh fails on damaged files in any way
        raise DataError(f"{path} is damaged or cut short, or has no x, y and z: {error}") from error
    if len(vertices) != promised:
        raise DataError(
            f"{path} is cut short: its header promises {promised} vertices, {len(vertices)} follow"
        )
    faces = getattr(found, "faces", None)
    if faces is None or not len(faces):
        return vertices
    sampled, _ = import_extra("trimesh.sample", "points").sample_surface(found, points, seed=seed)
    return np.asarray(sampled)


def _promised(path: Path) -> int:
    """The number of vertices that the header promises."""
    with open(path, "rb") as file:
        head = file.read(_HEADER)
    if not head:
        raise DataError(f"{path} is empty")
    if not head.startswith(b"ply") or b"end_header" not in head:
        raise DataError(f"{path} is no PLY file: it has no header from 'ply' to 'end_header'")
    found = re.search(rb"^element\s+vertex\s+(\d+)", head, re.MULTILINE)
    if found is None:
        raise DataError(f"{path}: its header names no 'element vertex', so it holds no points")
    return int(found[1])


def ply_bytes(cloud: Array) -> bytes:
    """A PLY file (binary) of points (n, 3).

    Raises:
        DataError: points of other dimension.
        MissingExtraError: trimesh is not installed.
    """
    if cloud.shape[1] != 3:
        raise DataError(f"PLY files have points of 3 coordinates, not {cloud.shape[1]}; use .xyz")
    written: bytes = import_extra("trimesh", "points").PointCloud(cloud).export(file_type="ply")
    return written
