"""CIFAR-10's binary version: records of a label and the three planes of an image."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from diffeo.errors import DataError
from diffeo.images.image_data import Array, ImageData
from diffeo.images.loading.parts import Parts, numbered

__all__ = ["find_cifar", "read_cifar"]

SHAPE = (3, 32, 32)
RECORD = 1 + 3 * 32 * 32
CLASSES = 10


def find_cifar(folder: Path) -> Parts:
    """The parts of CIFAR-10 in ``folder``."""
    found: Parts = {}
    batches = numbered(folder.iterdir(), r"data_batch_([1-9]\d*)\.bin")
    names = _names(folder / "batches.meta.txt")
    if batches:
        found["train"] = partial(read_cifar, batches, folder, names)
    test = folder / "test_batch.bin"
    if test.is_file():
        found["test"] = partial(read_cifar, [test], test, names)
    return found


def read_cifar(batches: list[Path], source: Path, names: tuple[str, ...] | None) -> ImageData:
    """The images of these files together.

    Raises:
        DataError: a file that does not consist of whole records of CIFAR-10.
    """
    records = np.concatenate([_records(path) for path in batches])
    pixels = records[:, 1:].reshape(-1, *SHAPE)
    return ImageData(
        np.ascontiguousarray(pixels), records[:, 0].astype(np.int64), 8, str(source), names
    )


def _records(path: Path) -> Array:
    content = np.fromfile(path, np.uint8)
    if not content.size or content.size % RECORD:
        raise DataError(
            f"{path} has {content.size} bytes, which is no multiple of {RECORD}, the size of an "
            f"image in the binary version of CIFAR-10; download it again"
        )
    records = content.reshape(-1, RECORD)
    if records[:, 0].max() >= CLASSES:
        i = int((records[:, 0] >= CLASSES).argmax())
        raise DataError(
            f"{path}: image {i} has the label {records[i, 0]}, CIFAR-10 has labels from 0 to 9; "
            f"this is another file, or a damaged one"
        )
    return records


def _names(path: Path) -> tuple[str, ...] | None:
    if not path.is_file():
        return None
    lines = path.read_text("utf-8", errors="replace").split()
    return tuple(lines) if len(lines) == CLASSES else None
