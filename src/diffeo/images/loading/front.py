"""The one way in: from a path or an array to images."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from diffeo.checks import check_bits
from diffeo.errors import DataError
from diffeo.images.image_data import Array, ImageData, check_levels, level_dtype
from diffeo.images.loading.archives import read_archive
from diffeo.images.loading.arrays import as_images, plain
from diffeo.images.loading.cifar import find_cifar, read_cifar
from diffeo.images.loading.idx import find_idx, is_idx, read_idx
from diffeo.images.loading.imagenet import BATCH, find_imagenet, read_imagenet
from diffeo.images.loading.pictures import SUFFIXES, read_pictures
from diffeo.reading.array_files import read_npy
from diffeo.reading.splits import choose

__all__ = ["load_images"]

# what CIFAR-10 and downsampled ImageNet call the files of their Python versions
PICKLED = r"data_batch_\d+|test_batch|batches\.meta|train_data_batch_\d+|val_data"
PICKLES = (".pkl", ".pickle", ".pt", ".pth")
PACKED = (".gz", ".tgz", ".tar", ".zip", ".xz", ".bz2")


def load_images(
    path_or_array: str | os.PathLike[str] | Array | torch.Tensor,
    *,
    split: str | None = None,
    bits: int | None = None,
    labels: Array | torch.Tensor | str | None = None,
) -> ImageData:
    r"""Images from an array, a file or a folder, as whole numbers (N, C, H, W).

    Arrays, and those of .npy and .npz files, are (N, H, W), (N, H, W, C) or (N, C, H, W); the axis
    of 1, 3 or 4 is that of the channels. They hold whole numbers, or floats in [0, 1] that are
    multiples of $1 / (2^{bits} - 1)$. In .npz files the images are called ``x`` or ``images``, or
    ``x_train`` and ``x_test``, their labels ``y``, or ``y_train`` and ``y_test``; whole numbers
    from 0 to a number ``scale`` take the bits that hold it.

    Folders hold PNG or JPEG files, in sub-folders if there are classes; MNIST's idx files, also
    gzipped; the binary version of CIFAR-10; or the .npz files of downsampled ImageNet. Single files
    of these three are read too. Nothing is unpickled or downloaded.

    Args:
        path_or_array: the images. An array of the right layout and dtype is not copied.
        split: "train", "validation" or "test", where there are several.
        bits: the depth that the pixels have; by default 8, 1 for booleans and black-and-white
            PNG, 16 for grey PNG of that depth. To reduce it, see ``ImageData.quantized``.
        labels: (N,), instead of those of the file; or the name of an array of an .npz file.

    Raises:
        DataError: what is no set of images of one size and of that depth; files are named.
        ValueError: ``split`` or ``bits`` that do not exist.
        OSError: a file that cannot be read.
        MissingExtraError: PNG or JPEG files, and Pillow is not installed.

    Example:
        >>> import numpy as np
        >>> from diffeo.images import load_images
        >>> digits = np.arange(4 * 8 * 8).reshape(4, 8, 8) % 17
        >>> load_images(digits, bits=5, labels=np.arange(4)).image_shape
        (1, 8, 8)
    """
    if bits is not None:
        check_bits(bits)
    given = plain(labels) if isinstance(labels, torch.Tensor) else labels
    if isinstance(path_or_array, (np.ndarray, torch.Tensor)):
        source = "the array"
        array = choose({None: plain(path_or_array)}, split, source)
        return as_images(array, bits, _no_name(given, source), source)
    if not isinstance(path_or_array, (str, os.PathLike)):
        raise DataError(
            f"images come from a numpy array, a torch tensor or a path, got "
            f"{type(path_or_array).__name__}"
        )
    path = Path(path_or_array)
    if path.suffix.lower() == ".npz" and path.is_file() and not _is_imagenet(path):
        return read_archive(path, split, bits, given)
    data = _read(path, split, bits)
    given = _no_name(given, str(path))
    return data if given is None else replace(data, labels=given, names=None)


def _no_name(labels: Array | str | None, source: str) -> Array | None:
    if isinstance(labels, str):
        raise DataError(
            f"{source}: labels={labels!r} names an array of an .npz file, which this is not; pass "
            f"the labels themselves"
        )
    return labels


def _read(path: Path, split: str | None, bits: int | None) -> ImageData:
    if not path.is_dir():
        return choose({None: _reader(path, bits)}, split, str(path))()
    for find in (find_idx, find_cifar, find_imagenet):
        found = find(path)
        if found:
            return _stated(choose(found, split, str(path))(), bits)
    pickled = [p for p in sorted(path.iterdir()) if re.fullmatch(PICKLED, p.name)]
    if pickled:
        raise _is_pickle(pickled[0])
    return read_pictures(path, split, bits)


def _reader(path: Path, bits: int | None) -> Callable[[], ImageData]:
    """How to read a file, by its name."""
    suffix = path.suffix.lower()
    # errors of the system, such as that there is no such file, come before any other
    with open(path, "rb"):
        pass
    if suffix == ".npy":
        return lambda: as_images(read_npy(path), bits, None, str(path))
    if is_idx(path):
        return lambda: _stated(read_idx(path), bits)
    if suffix == ".bin":
        return lambda: _stated(read_cifar([path], path, None), bits)
    if _is_imagenet(path):
        return lambda: _stated(read_imagenet([path], path), bits)
    if suffix in PICKLES or re.fullmatch(PICKLED, path.name):
        raise _is_pickle(path)
    if suffix in SUFFIXES:
        raise DataError(f"{path} is one image; give the folder that holds the images")
    if suffix in PACKED:
        raise DataError(f"{path} is packed; unpack it, and give the folder")
    raise DataError(
        f"{path}: images are read from .npy and .npz files, from folders of PNG or JPEG files, "
        f"and from the files of MNIST (idx), CIFAR-10 (binary) and downsampled ImageNet (npz)"
    )


def _is_imagenet(path: Path) -> bool:
    return bool(re.fullmatch(rf"{BATCH}|val_data\.npz", path.name))


def _is_pickle(path: Path) -> DataError:
    return DataError(
        f"{path} is a Python pickle, which can run any code, and is never loaded; download the "
        f"binary version of CIFAR-10 (data_batch_1.bin, ...), the npz version of downsampled "
        f"ImageNet, or save the pixels with numpy.savez"
    )


def _stated(data: ImageData, bits: int | None) -> ImageData:
    """The images with the depth that the caller states."""
    if bits is None or bits == data.bits:
        return data
    check_levels(data.pixels, bits, data.source)
    return replace(data, pixels=data.pixels.astype(level_dtype(bits), copy=False), bits=bits)
