"""Arguments of the subcommands that read images, and the images that they mean."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diffeo.cli.arguments import count

if TYPE_CHECKING:
    from diffeo.images import ImageData, ImageModel

__all__ = ["add_images", "again", "of_images", "read_images", "refuse"]


def add_images(parser: argparse.ArgumentParser) -> Any:
    """The arguments --split, --labels and --bits, in a group of their own, which is returned."""
    group = parser.add_argument_group(
        "images", "where DATA is a .npy or .npz array of images, a folder, or MNIST's format"
    )
    group.add_argument("--split", metavar="NAME", help="train, validation or test, if it has them")
    group.add_argument(
        "--labels",
        metavar="KEY_OR_FILE",
        help="labels of the images: an array of the .npz file by its name (y), a .npy file, or a "
        "text file with one label a line",
    )
    group.add_argument(
        "--bits", type=count, metavar="N", help="the depth of the pixels, whose values are < 2^N"
    )
    return group


def refuse(arguments: argparse.Namespace, names: tuple[str, ...], why: str) -> None:
    """Raise if one of these flags was given.

    Raises:
        DataError: the first that was.
    """
    from diffeo.errors import DataError

    for name in names:
        if getattr(arguments, name, None) not in (None, False):
            flag = {"label": "class"}.get(name, name).replace("_", "-")
            raise DataError(f"--{flag} is {why}")


def of_images(arguments: argparse.Namespace, more: tuple[str, ...] = ()) -> None:
    """Refuse the flags of images where the data are a table.

    Raises:
        DataError: one was given.
    """
    refuse(arguments, ("split", "labels", "bits", *more), "for images, and these are a table")


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
