"""Arrays in .npy and .npz, read without pickles and never larger than their file says."""

from __future__ import annotations

import math
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from diffeo.errors import DataError

__all__ = ["INFLATION", "Archive", "Array", "npy_shape", "read_npy"]

Array: TypeAlias = npt.NDArray[Any]

# deflate makes nothing smaller than this share of what it was
INFLATION = 1032
# what numpy and zipfile raise once a damaged file is open; fuzzing found no others
BROKEN = (
    ValueError,
    EOFError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    tokenize.TokenError,
    zlib.error,
    zipfile.BadZipFile,
)


def npy_shape(path: Path) -> tuple[int, ...]:
    """The shape of the array of a .npy file, which is not read.

    Raises:
        DataError: a damaged file, or one of objects.
    """
    with open(path, "rb") as file, _readable(path):
        return _header(file, path.stat().st_size)


def read_npy(path: Path) -> Array:
    """The array of a .npy file.

    Raises:
        DataError: a damaged file, or one of objects.
    """
    with open(path, "rb") as file, _readable(path):
        _header(file, path.stat().st_size)
        file.seek(0)
        return _array(file)


class Archive:
    """The arrays of a .npz file; their shapes are known, their values are read when wanted.

    Raises:
        DataError: a damaged file, or one that promises more than it can hold.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.shapes: dict[str, tuple[int, ...]] = {}
        with self._open() as zipped:
            for info in zipped.infolist():
                name = info.filename.removesuffix(".npy")
                most = INFLATION * min(info.compress_size, path.stat().st_size) + 1024
                if info.file_size > most:
                    raise ValueError(f"the array {name!r} claims {info.file_size} bytes")
                with zipped.open(info) as file:
                    self.shapes[name] = _header(file, info.file_size, name)

    @contextmanager
    def _open(self) -> Iterator[zipfile.ZipFile]:
        with open(self.path, "rb") as file, _readable(self.path), zipfile.ZipFile(file) as zipped:
            yield zipped

    def read(self, name: str) -> Array:
        """The array called ``name``.

        Raises:
            DataError: it is not there, or damaged.
        """
        if name not in self.shapes:
            raise DataError(f"{self.path} holds {self.described()}, but no array {name!r}")
        with self._open() as zipped, zipped.open(f"{name}.npy") as file:
            return _array(file)

    def described(self) -> str:
        """Names and shapes of the arrays."""
        return ", ".join(f"{name} {shape}" for name, shape in self.shapes.items()) or "nothing"


def _header(file: IO[bytes], size: int, name: str = "") -> tuple[int, ...]:
    """The shape of the array in ``file``, which is ``size`` bytes long."""
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    elif version == (2, 0):
        shape, _, dtype = np.lib.format.read_array_header_2_0(file)
    else:
        raise ValueError(f"version {version} of the format is not read")
    array = f"the array {name!r}" if name else "the array"
    if dtype.hasobject:
        raise ValueError(f"{array} holds Python objects, which are pickles and never loaded")
    wanted = math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or wanted != size - file.tell():
        raise ValueError(
            f"{array} of shape {shape} and {dtype} has {wanted} bytes, {size - file.tell()} follow"
        )
    return shape


def _array(file: IO[bytes]) -> Array:
    return np.lib.format.read_array(file, allow_pickle=False)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Whatever numpy and zipfile say of a damaged file, in one voice."""
    try:
        yield
    except DataError:
        raise
    except BROKEN as error:
        raise DataError(
            f"{path} is damaged, or no file of plain arrays ({error}); save it again with numpy"
        ) from error
