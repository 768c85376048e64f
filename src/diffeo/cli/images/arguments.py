"""Arguments of the subcommands that read images, and the images that they mean."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diffeo.cli.arguments import count

if TYPE_CHECKING:
    from diffeo.images import ImageData, ImageModel

__all__ = ["add_bits", "add_fit_flags", "again", "read_images"]


def add_bits(group: Any) -> None:
    """The argument --bits."""
    group.add_argument(
        "--bits", type=count, metavar="N", help="the depth of the pixels, whose values are < 2^N"
    )


def add_fit_flags(group: Any) -> None:
    """The flags of a fit."""
    group.add_argument(
        "--reduce-to", type=count, metavar="N", help="keep only the first N bits of every pixel"
    )
    group.add_argument(
        "--dequantization",
        choices=("uniform", "variational"),
        help="noise that makes pixels real numbers: uniform, or a learned one (uniform)",
    )
    group.add_argument("--flips", action="store_true", help="mirror every second image in training")


def read_images(
    path: str,
    *,
    split: str | None = None,
    bits: int | None = None,
    labels: str | None = None,
    reduce_to: int | None = None,
) -> ImageData:
    """The images of a path.

    Raises:
        DataError: whatever is wrong with them.
        ValueError: a split or a depth that does not exist.
    """
    from diffeo.errors import DataError
    from diffeo.images import load_images

    file = labels is not None and Path(labels).suffix.lower() in (".npy", ".txt", ".csv")
    data = load_images(path, split=split, bits=bits, labels=None if file else labels)
    if file:
        found, names = _labels(str(labels))
        try:
            data = replace(data, labels=found, names=names)
        except DataError as error:
            raise DataError(f"{error} ({labels})") from error
    return data if reduce_to is None else data.quantized(reduce_to)


def _labels(path: str) -> tuple[Any, tuple[str, ...] | None]:
    """Numbers of classes; of words, the places of these in the alphabet, and the words."""
    import numpy as np

    from diffeo.reading.array_files import read_npy

    if Path(path).suffix.lower() == ".npy":
        labels = read_npy(Path(path))
    else:
        lines = Path(path).read_text("utf-8", errors="replace").splitlines()
        labels = np.array([line.strip() for line in lines if line.strip()])
        if all(word.isdecimal() for word in labels):
            labels = labels.astype(np.int64)
    if labels.dtype.kind != "U":
        return labels, None
    names, numbers = np.unique(labels, return_inverse=True)
    return numbers, tuple(names.tolist())


def again(model: ImageModel, arguments: argparse.Namespace, path: str) -> ImageData:
    """Images for a fitted model: of the depth of those it was fitted to, unless flags say more."""
    loaded = model.record.get("images", {}).get("load", {})
    bits = loaded.get("bits") if arguments.bits is None else arguments.bits
    return read_images(path, split=arguments.split, bits=bits, labels=arguments.labels)
