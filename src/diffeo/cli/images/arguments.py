"""Arguments of the subcommands that read images, and the images that they mean."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from diffeo.cli.arguments import count
from diffeo.cli.labels import is_file, read_labels

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

    file = labels is not None and is_file(labels)
    data = load_images(path, split=split, bits=bits, labels=None if file else labels)
    if file:
        found, names = read_labels(str(labels))
        try:
            data = replace(data, labels=found, names=names)
        except DataError as error:
            raise DataError(f"{error} ({labels})") from error
    return data if reduce_to is None else data.quantized(reduce_to)


def again(model: ImageModel, arguments: argparse.Namespace, path: str) -> ImageData:
    """Images for a fitted model: of the depth of those it was fitted to, unless flags say more."""
    loaded = model.record.get("images", {}).get("load", {})
    bits = loaded.get("bits") if arguments.bits is None else arguments.bits
    return read_images(path, split=arguments.split, bits=bits, labels=arguments.labels)
