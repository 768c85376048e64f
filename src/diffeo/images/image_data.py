"""Images as the whole numbers that they are, and how many bits these have."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from diffeo.checks import check_bits
from diffeo.errors import DataError
from diffeo.labels import Labels, check_labels, first_index

__all__ = ["Array", "ImageData", "Levels", "check_levels", "level_dtype"]

Array: TypeAlias = npt.NDArray[Any]
Levels: TypeAlias = npt.NDArray[Any]  # uint8, or uint16 for more than 8 bits


@dataclass(frozen=True, eq=False)
class ImageData:
    r"""A set of images of one size: whole numbers from 0 to $2^{bits} - 1$.

    Args:
        pixels: (N, C, H, W), uint8, or uint16 for more than 8 bits.
        labels: (N,), classes counted from 0, or None.
        bits: the depth of the pixels, 1 to 16.
        source: where they come from, for messages.
        names: of the classes, or None.

    Raises:
        DataError: pixels of another shape, dtype or depth, or labels that do not fit.
        ValueError: ``bits`` that is not a whole number from 1 to 16.

    Example:
        >>> import numpy as np
        >>> from diffeo.images import ImageData
        >>> data = ImageData(np.full((5, 3, 8, 8), 200, np.uint8), bits=8)
        >>> len(data), data.image_shape, data.quantized(5).pixels.max()
        (5, (3, 8, 8), np.uint8(25))
    """

    pixels: Levels = field(repr=False)
    labels: Labels | None = field(default=None, repr=False)
    bits: int = 8
    source: str = "the images"
    names: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        dtype = level_dtype(self.bits)
        if not isinstance(self.pixels, np.ndarray) or self.pixels.dtype != dtype:
            found = getattr(self.pixels, "dtype", type(self.pixels).__name__)
            raise DataError(
                f"{self.source}: pixels of {self.bits} bits are a numpy array of {dtype}, got "
                f"{found}; load_images converts"
            )
        if self.pixels.ndim != 4 or 0 in self.pixels.shape[1:]:
            raise DataError(
                f"{self.source}: pixels have the shape (N, C, H, W), got {self.pixels.shape}"
            )
        check_levels(self.pixels, self.bits, self.source)
        if self.labels is not None:
            labels = check_labels(
                self.labels, len(self.pixels), self.source, self.names, what="image"
            )
            object.__setattr__(self, "labels", labels)

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        _, channels, height, width = self.pixels.shape
        return channels, height, width

    def subset(self, indices: Any) -> ImageData:
        """The images at ``indices``: whole numbers, a mask, or a slice.

        Raises:
            IndexError: an image that is not there.
        """
        chosen = indices if isinstance(indices, slice) else np.asarray(indices)
        labels = None if self.labels is None else self.labels[chosen]
        return replace(self, pixels=self.pixels[chosen], labels=labels)

    def quantized(self, bits: int) -> ImageData:
        """The first ``bits`` bits of every pixel, as in Glow's experiments with 5.

        Raises:
            ValueError: more bits than there are.

        Reference:
            Diederik P. Kingma, Prafulla Dhariwal, "Glow: Generative Flow with Invertible 1x1
            Convolutions", 2018, arXiv:1807.03039.
        """
        dtype = level_dtype(bits)
        if bits > self.bits:
            raise ValueError(f"{self.source}: pixels of {self.bits} bits have no {bits} bits")
        return replace(self, pixels=(self.pixels >> (self.bits - bits)).astype(dtype), bits=bits)


def level_dtype(bits: int) -> np.dtype[Any]:
    """The dtype of pixels of so many bits."""
    check_bits(bits)
    return np.dtype(np.uint8 if bits <= 8 else np.uint16)


def check_levels(pixels: Array, bits: int, source: str) -> None:
    """Raise DataError, naming the first, unless all ``pixels`` lie in 0 .. 2^bits - 1."""
    top = 2**bits - 1
    fits = pixels.dtype.kind == "u" and np.iinfo(pixels.dtype).max <= top
    if pixels.size and not fits and (pixels.min() < 0 or pixels.max() > top):
        where = first_index((pixels < 0) | (pixels > top))
        raise DataError(
            f"{source}: image {where[0]} holds {pixels[where]} at {list(where[1:])}, outside 0 to "
            f"{top} (bits={bits}); state the depth that the pixels have, and reduce it afterwards "
            f"with .quantized(bits)"
        )
