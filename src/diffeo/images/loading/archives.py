"""Which arrays of an .npz file are the images, and which their labels."""

from __future__ import annotations

from pathlib import Path

from diffeo.errors import DataError
from diffeo.images.image_data import Array, ImageData
from diffeo.images.loading.arrays import as_images
from diffeo.reading.array_files import Archive
from diffeo.reading.splits import choose, parts_called

__all__ = ["read_archive"]

IMAGES = ("x", "images", "image", "data")
LABELS = ("y", "labels", "label", "targets")


def read_archive(
    path: Path, split: str | None, bits: int | None, labels: Array | str | None
) -> ImageData:
    """The images of an .npz file; ``labels`` may name the array of the labels.

    Raises:
        DataError: no array, or several, that may be the images.
    """
    archive = Archive(path)
    found = parts_called(archive, IMAGES) or _only(archive)
    key = choose(found, split, str(path))
    if labels is None:
        part = next(part for part, name in found.items() if name == key)
        labels = parts_called(archive, LABELS).get(part)
    if isinstance(labels, str):
        labels = archive.read(labels)
    pixels = archive.read(key)
    return as_images(pixels, bits or _scale_bits(archive, pixels), labels, f"{path} ({key})")


def _only(archive: Archive) -> dict[str | None, str]:
    if len(archive.shapes) != 1:
        raise DataError(
            f"{archive.path} holds {archive.described()}; call the images 'x', or 'x_train' and "
            f"'x_test' (and their labels 'y', 'y_train' and 'y_test')"
        )
    return dict.fromkeys([None], next(iter(archive.shapes)))


def _scale_bits(archive: Archive, pixels: Array) -> int | None:
    """The depth of whole numbers from 0 to the file's own ``scale``."""
    if archive.shapes.get("scale") != () or pixels.dtype.kind not in "iu":
        return None
    scale = archive.read("scale")
    return int(scale).bit_length() if scale.dtype.kind in "iu" and 1 <= scale < 2**16 else None
