"""MNIST's own format, idx: bytes with a header of big-endian sizes, plain or gzipped."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from functools import partial
from pathlib import Path

import numpy as np

from diffeo.errors import DataError
from diffeo.images.image_data import Array, ImageData
from diffeo.images.loading.parts import Parts
from diffeo.reading.array_files import INFLATION
from diffeo.reading.splits import split_called

__all__ = ["find_idx", "is_idx", "read_idx"]

MARKS = ("images-idx3-ubyte", "images.idx3-ubyte")


def is_idx(path: Path) -> bool:
    """Whether a file is called like one of images in idx."""
    return path.name.removesuffix(".gz").endswith(MARKS)


def find_idx(folder: Path) -> Parts:
    """The parts of an MNIST-like set in ``folder``, by the names of its files."""
    files: dict[str, Path] = {}
    for path in sorted(filter(is_idx, folder.iterdir())):
        # an unpacked file goes before its archive
        files.setdefault(path.name.removesuffix(".gz"), path)
    found: dict[str | None, Path] = {}
    for name, path in files.items():
        # also emnist-letters-train-images-idx3-ubyte
        words = name.partition("images")[0].split("-")
        part = next(filter(None, map(split_called, words)), None)
        if part in found:
            raise DataError(
                f"{folder} holds {found[part].name} and {name}: which is meant? Give the file "
                f"itself"
            )
        found[part] = path
    return {part: partial(read_idx, path) for part, path in found.items()}


def read_idx(path: Path) -> ImageData:
    """The images of one file, with the labels of the file beside it if there is one.

    Raises:
        DataError: a file that is not what its header says, or labels of other images.
    """
    pixels = _read(path, 3)[:, None]
    for name in (path.name, path.name.removesuffix(".gz"), path.name + ".gz"):
        beside = path.with_name(name.replace("images", "labels").replace("idx3", "idx1"))
        if beside.is_file():
            labels = _read(beside, 1)
            if len(labels) != len(pixels):
                raise DataError(
                    f"{beside} holds {len(labels)} labels, {path} {len(pixels)} images; they "
                    f"belong to different sets"
                )
            return ImageData(pixels, labels.astype(np.int64), 8, str(path))
    return ImageData(pixels, None, 8, str(path))


def _read(path: Path, axes: int) -> Array:
    zipped = path.name.endswith(".gz")
    size = path.stat().st_size
    try:
        with gzip.open(path, "rb") if zipped else open(path, "rb") as file:
            header = file.read(4 + 4 * axes)
            if len(header) < 4 + 4 * axes or header[:4] != bytes([0, 0, 8, axes]):
                raise DataError(
                    f"{path} starts with {header[:4].hex()}, an idx file of bytes with {axes} axes "
                    f"with 000008{axes:02x}"
                )
            shape = struct.unpack(f">{axes}I", header[4:])
            count = math.prod(shape)
            if count > (INFLATION * size if zipped else size):
                raise DataError(_torn(path, shape, count, f"the file has {size}"))
            content = file.read(count)
            rest = len(file.read(1))
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path} is damaged ({error}); unpack or download it again") from error
    if len(content) != count or rest:
        raise DataError(_torn(path, shape, count, "more follow" if rest else f"{len(content)} do"))
    if not count:
        raise DataError(f"{path} holds no images: its header says {shape}")
    # a copy, because torch takes no array that cannot be written to
    return np.frombuffer(content, np.uint8).reshape(shape).copy()


def _torn(path: Path, shape: tuple[int, ...], count: int, found: str) -> str:
    return (
        f"{path} is damaged: its header says {shape}, so that {count} bytes follow, but {found}; "
        f"download it again"
    )
