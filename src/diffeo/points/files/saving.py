"""The one way out: clouds as arrays, or as files of one cloud each."""

from __future__ import annotations

import io
import os
import shutil
from pathlib import Path

import numpy as np

from diffeo.errors import DataError
from diffeo.files import write_atomically
from diffeo.labels import Labels
from diffeo.points.files.loading import load_clouds
from diffeo.points.files.ply import ply_bytes
from diffeo.points.files.xyz import xyz_bytes
from diffeo.points.point_data import Cloud, PointData
from diffeo.points.stacks import Clouds

__all__ = ["WRITABLE", "save_clouds"]

WRITABLE = (".npz", ".npy", ".ply", ".xyz")


def save_clouds(
    path: str | os.PathLike[str], clouds: Clouds | PointData, *, labels: Labels | None = None
) -> None:
    """Write clouds to a file, or to a folder of .ply files, whole or not at all.

    Args:
        path: a .npz file, which holds all of them, with labels and the names of classes if there
            are any; a .npy file of clouds of equal size; a .ply or .xyz file of one cloud; or, with
            no suffix, a folder to be made, of files 000.ply, 001.ply, ... (.xyz in two dimensions).
        clouds: (n, points, dim), (points, dim), a list of clouds, or ``PointData``.
        labels: (n,), for .npz files.

    Raises:
        DataError: clouds that are none, or that such a file cannot hold.
        OSError: the path cannot be written, or is a folder already.
        MissingExtraError: .ply, and trimesh is not installed.

    Example:
        >>> import numpy as np
        >>> from diffeo.points import load_clouds, save_clouds
        >>> save_clouds("clouds.npz", [np.zeros((5, 3)), np.ones((9, 3))])
        >>> load_clouds("clouds.npz").sizes
        [5, 9]
    """
    data = clouds if isinstance(clouds, PointData) else load_clouds(clouds, labels=labels)
    target, suffix = Path(path), Path(path).suffix.lower()
    if not suffix:
        _write_folder(target, data)
    elif suffix in (".ply", ".xyz"):
        write_atomically(target, _one(target, data))
    elif suffix == ".npz":
        write_atomically(target, _archive(data))
    elif suffix == ".npy":
        write_atomically(target, _array(target, data))
    else:
        raise DataError(
            f"{target}: clouds are written to {', '.join(WRITABLE)} files, and to a folder if the "
            f"name has no suffix"
        )


def _one(path: Path, data: PointData) -> bytes:
    if len(data) != 1:
        raise DataError(
            f"{path}: a {path.suffix} file holds one cloud, and there are {len(data)}; leave the "
            f"suffix out for a folder of them, or write a .npz file"
        )
    return _encoded(data.clouds[0], path.suffix.lower())


def _encoded(cloud: Cloud, suffix: str) -> bytes:
    return ply_bytes(cloud) if suffix == ".ply" else xyz_bytes(cloud)


def _write_folder(path: Path, data: PointData) -> None:
    if path.exists():
        raise FileExistsError(f"{path} exists; clouds are written to a new folder")
    suffix, width = ".ply" if data.dim == 3 else ".xyz", max(3, len(str(len(data) - 1)))
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.mkdir()
    try:
        for i, cloud in enumerate(data.clouds):
            (temporary / f"{i:0{width}}{suffix}").write_bytes(_encoded(cloud, suffix))
        os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _archive(data: PointData) -> bytes:
    arrays = {"x": np.concatenate(data.clouds), "sizes": np.array(data.sizes)}
    if len(set(data.sizes)) == 1:
        arrays = {"x": np.stack(data.clouds)}
    if data.labels is not None:
        arrays["y"] = data.labels
    if data.names is not None:
        arrays["classes"] = np.array(data.names)
    written = io.BytesIO()
    np.savez_compressed(written, **arrays)  # type: ignore[arg-type]
    return written.getvalue()


def _array(path: Path, data: PointData) -> bytes:
    if len(set(data.sizes)) != 1:
        raise DataError(f"{path}: a .npy file holds clouds of equal size; write a .npz file")
    written = io.BytesIO()
    np.save(written, np.stack(data.clouds))
    return written.getvalue()
