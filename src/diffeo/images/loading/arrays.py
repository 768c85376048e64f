"""Arrays of images in any layout, as whole numbers (N, C, H, W)."""

from __future__ import annotations

import numpy as np
import torch

from diffeo.checks import check_bits
from diffeo.errors import DataError
from diffeo.images.image_data import Array, ImageData, check_levels, level_dtype
from diffeo.labels import first_index

__all__ = ["as_images", "plain"]


CHANNELS = (1, 3, 4)


def plain(array: Array | torch.Tensor) -> Array:
    """A tensor as an array; an array as it is."""
    if isinstance(array, torch.Tensor):
        array = array.detach().cpu()
        # numpy has no such dtype; the wider one holds the same values
        return (array.float() if array.dtype == torch.bfloat16 else array).numpy()
    return array


def as_images(array: Array, bits: int | None, labels: Array | None, source: str) -> ImageData:
    """Images from an array of any layout and dtype; see ``load_images``.

    Raises:
        DataError: what is no set of images of the stated depth.
    """
    if bits is not None:
        check_bits(bits)
    array = _channels_first(array, source)
    if not array.size:
        raise DataError(f"{source} holds no images: an array of shape {array.shape}")
    if array.dtype.kind == "b":
        array, depth = array.astype(np.uint8), bits or 1
    elif array.dtype.kind in "iu":
        depth = bits or _depth(array, source)
    elif array.dtype.kind == "f":
        array, depth = _whole(array, bits or 8, source), bits or 8
    else:
        raise DataError(f"{source} holds {array.dtype} values; pixels are whole numbers or floats")
    check_levels(array, depth, source)
    # torch takes no negative strides, other byte orders or arrays that cannot be written to
    array = array.copy() if min(array.strides) < 0 else array
    pixels = np.require(array, level_dtype(depth), ["C", "W"])
    return ImageData(pixels, labels, depth, source)


def _channels_first(array: Array, source: str) -> Array:
    shape = array.shape
    say = "pass diffeo.images.ImageData(pixels, ...), whose pixels are (N, C, H, W), to say which"
    if array.ndim == 3:
        if shape[2] in CHANNELS:
            raise DataError(
                f"{source}: an array of shape {shape} may be one image (H, W, C) or grey images "
                f"(N, H, W) of width {shape[2]}; {say}"
            )
        return array[:, None]
    if array.ndim != 4:
        raise DataError(
            f"{source}: images have the shape (N, H, W), (N, H, W, C) or (N, C, H, W), got "
            f"{shape}; reshape them"
        )
    first, last = shape[1] in CHANNELS, shape[3] in CHANNELS
    if first and last:
        raise DataError(
            f"{source}: an array of shape {shape} may be (N, C, H, W) or (N, H, W, C); {say}"
        )
    if not first and not last:
        raise DataError(
            f"{source}: an array of shape {shape} has no axis of 1, 3 or 4 channels, neither the "
            f"second nor the last"
        )
    return array if first else array.transpose(0, 3, 1, 2)


def _depth(array: Array, source: str) -> int:
    top = int(array.max())
    if top <= 255:
        return 8
    raise DataError(
        f"{source} holds {array.dtype} values up to {top}, more than 8 bits; state the depth, e.g. "
        f"bits={top.bit_length()}"
    )


def _whole(array: Array, bits: int, source: str) -> Array:
    """Floats as whole ones: those up to 1 are shares of the highest level."""
    if not np.isfinite(array).all():
        where = first_index(~np.isfinite(array))
        raise DataError(f"{source}: image {where[0]} holds {array[where]} at {list(where[1:])}")
    low, high = float(array.min()), float(array.max())
    if low < 0:
        raise DataError(
            f"{source} holds floats from {low:g} to {high:g}; pixels are whole numbers, or floats "
            f"in [0, 1]: undo the normalisation"
        )
    top = 2**bits - 1 if high <= 1 else 1
    levels = array * array.dtype.type(top)
    nearest = np.rint(levels)
    # a share of the highest level is a rounding away from it, at most
    off = np.abs(levels - nearest) > min(0.25, top * float(np.finfo(array.dtype).eps))
    if top == 1:
        off = levels != nearest
    if off.any():
        where = first_index(off)
        wanted = f"multiples of 1/{top}" if high <= 1 else "whole numbers"
        raise DataError(
            f"{source}: image {where[0]} holds {array[where]:.6g} at {list(where[1:])}; floats "
            f"from {low:g} to {high:g} must be {wanted} (bits={bits}). Pass the images as they "
            f"were before resizing, noise or normalisation, or round them"
        )
    return nearest
