"""Downsampled ImageNet (32 or 64 pixels) in the .npz files of image-net.org."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path

import numpy as np

from diffeo.errors import DataError
from diffeo.images.image_data import Array, ImageData
from diffeo.images.loading.parts import Parts, numbered
from diffeo.reading.array_files import Archive

__all__ = ["BATCH", "find_imagenet", "read_imagenet"]

BATCH = r"train_data_batch_([1-9]\d*)\.npz"


def find_imagenet(folder: Path) -> Parts:
    """The parts of downsampled ImageNet in ``folder``."""
    found: Parts = {}
    batches = numbered(folder.iterdir(), BATCH)
    if batches:
        found["train"] = partial(read_imagenet, batches, folder)
    validation = folder / "val_data.npz"
    if validation.is_file():
        found["validation"] = partial(read_imagenet, [validation], validation)
    return found


def read_imagenet(batches: list[Path], source: Path) -> ImageData:
    """The images of these files together; their labels, from 1 in the files, from 0.

    Raises:
        DataError: files that are not of this format, or not of one size.
    """
    archives = [Archive(path) for path in batches]
    widths = [_width(archive) for archive in archives]
    if len(set(widths)) > 1:
        other = next(i for i, width in enumerate(widths) if width != widths[0])
        raise DataError(
            f"{batches[0]} holds images of {widths[0]} pixels a side, {batches[other]} of "
            f"{widths[other]}; keep the two sets in folders of their own"
        )
    counts = [archive.shapes["data"][0] for archive in archives]
    # filled file by file: all of ImageNet at once, and once more to join it, may not fit
    pixels = np.empty((sum(counts), 3, widths[0], widths[0]), np.uint8)
    labels = np.empty(sum(counts), np.int64)
    end = 0
    for archive, count in zip(archives, counts, strict=True):
        start, end = end, end + count
        pixels[start:end] = _bytes(archive).reshape(count, *pixels.shape[1:])
        labels[start:end] = _labels(archive, count)
    return ImageData(pixels, labels, 8, str(source))


def _width(archive: Archive) -> int:
    shape = archive.shapes.get("data", ())
    width = math.isqrt(shape[1] // 3) if len(shape) == 2 else 0
    if (
        not width
        or shape != (shape[0], 3 * width**2)
        or not shape[0]
        or "labels" not in archive.shapes
    ):
        raise DataError(
            f"{archive.path} holds {archive.described()}, a file of downsampled ImageNet 'data' of "
            f"shape (N, 3 * width * width) and 'labels'"
        )
    return width


def _bytes(archive: Archive) -> Array:
    data = archive.read("data")
    if data.dtype != np.uint8:
        raise DataError(f"{archive.path}: 'data' is {data.dtype}, expected uint8")
    return data


def _labels(archive: Archive, count: int) -> Array:
    labels = archive.read("labels")
    if labels.shape != (count,) or labels.dtype.kind not in "iu":
        raise DataError(
            f"{archive.path}: 'labels' is {labels.dtype} of shape {labels.shape}, expected one "
            f"whole number for each of {count} images"
        )
    if labels.min() < 1:
        i = int((labels < 1).argmax())
        raise DataError(
            f"{archive.path}: image {i} has the label {labels[i]}, ImageNet counts labels from 1"
        )
    return labels.astype(np.int64) - 1
