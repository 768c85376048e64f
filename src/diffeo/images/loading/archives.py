"""Which arrays of an .npz file are the images, and which their labels."""

from __future__ import annotations

from pathlib import Path

from diffeo.errors import DataError
from diffeo.images.image_data import Array, ImageData
from diffeo.images.loading.array_files import Archive
from diffeo.images.loading.arrays import as_images
from diffeo.images.loading.splits import choose, split_called

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
    found = _parts(archive, IMAGES) or _only(archive)
    key = choose(found, split, str(path))
    if labels is None:
        part = next(part for part, name in found.items() if name == key)
        labels = _parts(archive, LABELS).get(part)
    if isinstance(labels, str):
        labels = archive.read(labels)
    pixels = archive.read(key)
    return as_images(pixels, bits or _scale_bits(archive, pixels), labels, f"{path} ({key})")


def _parts(archive: Archive, words: tuple[str, ...]) -> dict[str | None, str]:
    """The arrays called like ``words``, alone or with the name of a part: x, x_train, test_x."""
    found: dict[str | None, str] = {}
    for name in archive.shapes:
        first, _, second = name.lower().partition("_")
        if first in words and not second:
            part = None
        elif first in words and split_called(second):
            part = split_called(second)
        elif second in words and split_called(first):
            part = split_called(first)
        else:
            continue
        if part in found:
            raise DataError(
                f"{archive.path} holds {found[part]!r} and {name!r}: which is meant? Leave one"
            )
        found[part] = name
    return found


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
