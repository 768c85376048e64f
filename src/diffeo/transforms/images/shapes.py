"""Event shapes of images."""

from __future__ import annotations

from collections.abc import Sequence

from diffeo.errors import ShapeError

__all__ = ["check_image"]


def check_image(part: str, shape: Sequence[int]) -> tuple[int, int, int]:
    """``shape`` as channels, height and width.

    Raises:
        ShapeError: anything but three whole numbers of at least 1.
    """
    sizes = tuple(shape) if isinstance(shape, Sequence) else ()
    good = all(isinstance(n, int) and not isinstance(n, bool) and n >= 1 for n in sizes)
    if len(sizes) != 3 or not good:
        raise ShapeError(
            f"{part}: an image has the shape (channels, height, width), three whole numbers >= 1, "
            f"got {shape!r}"
        )
    return sizes
