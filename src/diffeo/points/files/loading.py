"""The one way in: from a path, an array or a list to clouds."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from diffeo.checks import check_count
from diffeo.errors import DataError
from diffeo.points.files.archives import as_clouds, read_archive
from diffeo.points.files.ply import read_ply
from diffeo.points.files.xyz import read_xyz
from diffeo.points.point_data import PointData
from diffeo.reading.array_files import Array, read_npy
from diffeo.reading.splits import choose, split_called

__all__ = ["SUFFIXES", "load_clouds"]

# files of one cloud
SUFFIXES = (".ply", ".xyz")
ARRAYS = (".npy", ".npz")


def load_clouds(
    path_or_clouds: str | os.PathLike[str] | Array | torch.Tensor | Sequence[Any],
    *,
    split: str | None = None,
    labels: Array | torch.Tensor | None = None,
    points: int = 2048,
    seed: int = 0,
) -> PointData:
    """Clouds from arrays, a file or a folder.

    Arrays, and those of .npy and .npz files, are (n, points, dim), or (points, dim) for one cloud.
    In .npz files the clouds are called ``x``, ``points`` or ``clouds``, or ``x_train`` and
    ``x_test``, their labels ``y``, or ``y_train`` and ``y_test``, the names of the labels
    ``classes``; with an array ``sizes``, ``x`` holds the points of all clouds one after another.
    An .npz file of other names holds a cloud in each array.

    A .ply or .xyz file is one cloud, a folder of them many, in sub-folders if there are classes.
    Of a .ply file with faces, random points of the surface are taken. Nothing is unpickled.

    Args:
        path_or_clouds: the clouds.
        split: "train", "validation" or "test", where there are several.
        labels: (n,), in place of those of the file.
        points: of a mesh with faces.
        seed: of their choice.

    Raises:
        DataError: what is no set of clouds of one dimension; file and place are named.
        ValueError: ``split`` or ``points`` that do not exist.
        OSError: a file that cannot be read.
        MissingExtraError: a .ply file, and trimesh is not installed.

    Example:
        >>> import numpy as np
        >>> from diffeo.points import load_clouds
        >>> np.savetxt("square.xyz", [[0, 0, 0], [0, 1, 0], [1, 0, 0], [1, 1, 0]])
        >>> load_clouds("square.xyz").sizes
        [4]
    """
    check_count("points", points)
    if isinstance(path_or_clouds, str | os.PathLike):
        data = _read(Path(path_or_clouds), split, points, seed)
    else:
        choose({None: path_or_clouds}, split, "the array", "clouds")
        data = PointData(_plain(path_or_clouds))
    if labels is None:
        return data
    given = np.asarray(labels)
    return PointData(data.clouds, given, data.source, titles=data.titles)


def _plain(clouds: Any) -> Sequence[Array]:
    if isinstance(clouds, torch.Tensor):
        clouds = clouds.detach().cpu().numpy()
    if isinstance(clouds, np.ndarray):
        return as_clouds(clouds, "the array")
    if not isinstance(clouds, list | tuple):
        raise DataError(
            f"clouds come from an array, a list of arrays or a path, got {type(clouds).__name__}"
        )
    return [np.asarray(cloud) for cloud in clouds]


def _read(path: Path, split: str | None, points: int, seed: int) -> PointData:
    suffix = path.suffix.lower()
    if suffix == ".npz" and not path.is_dir():
        return read_archive(path, split)
    if path.is_dir():
        parts: dict[str | None, Path] = _parts(path)
        return _folder(choose(parts, split, str(path), "clouds"), points, seed)
    # errors of the system, such as that there is no such file, come before any other
    with open(path, "rb"):
        pass
    if suffix not in (*SUFFIXES, *ARRAYS):
        raise DataError(
            f"{path}: clouds are read from {', '.join((*SUFFIXES, *ARRAYS))} files and from "
            f"folders of {' and '.join(SUFFIXES)} files"
        )
    choose({None: path}, split, str(path), "clouds")
    if suffix == ".npy":
        return PointData(as_clouds(read_npy(path), str(path)), source=str(path))
    return PointData([_cloud(path, points, seed)], source=str(path))


def _cloud(path: Path, points: int, seed: int) -> Array:
    return read_xyz(path) if path.suffix.lower() == ".xyz" else read_ply(path, points, seed)


def _parts(path: Path) -> dict[str | None, Path]:
    """The folder itself, or those of its parts: train, test."""
    named = {split_called(folder.name): folder for folder in _folders(path)}
    named.pop(None, None)
    return {**named} if named else {None: path}


def _folders(path: Path) -> list[Path]:
    return sorted(p for p in path.iterdir() if p.is_dir() and not p.name.startswith("."))


def _files(path: Path) -> list[Path]:
    return sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file())


def _folder(path: Path, points: int, seed: int) -> PointData:
    """A cloud for each file; the names of sub-folders are those of classes."""
    classes = [folder for folder in _folders(path) if _files(folder)]
    groups = [_files(folder) for folder in classes] or [_files(path)]
    files = [file for group in groups for file in group]
    if not files:
        raise DataError(f"{path} holds no {' or '.join(SUFFIXES)} files, nor folders of them")
    labels = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    return PointData(
        [_cloud(file, points, seed + i) for i, file in enumerate(files)],
        labels if classes else None,
        str(path),
        tuple(folder.name for folder in classes) or None,
        tuple(str(file.relative_to(path)) for file in files),
    )
