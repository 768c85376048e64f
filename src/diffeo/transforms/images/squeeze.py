"""Pixels moved into channels, and events that change their shape."""

from __future__ import annotations

import math

from torch import Tensor

from diffeo.checks import check_count, check_event
from diffeo.errors import ShapeError
from diffeo.transform import Transform
from diffeo.transforms.images.shapes import check_image

__all__ = ["Reshape", "Squeeze"]


class Reshape(Transform):
    """The same numbers in another event shape; both ladj are 0. Ignores context.

    Args:
        in_shape: event shape of x.
        out_shape: event shape of y, of as many elements.

    Shapes: x (*batch, *in_shape), y (*batch, *out_shape).

    Raises:
        ShapeError: shapes of different numbers of elements, or events of another shape.

    Example:
        >>> import torch, diffeo
        >>> diffeo.transforms.Reshape((12,), (3, 2, 2))(torch.zeros(5, 12))[0].shape
        torch.Size([5, 3, 2, 2])
    """

    lossless = True

    def __init__(self, in_shape: tuple[int, ...], out_shape: tuple[int, ...]) -> None:
        if math.prod(in_shape) != math.prod(out_shape):
            raise ShapeError(
                f"Reshape: events of shape {tuple(in_shape)} have {math.prod(in_shape)} elements, "
                f"those of shape {tuple(out_shape)} have {math.prod(out_shape)}"
            )
        super().__init__(in_shape, out_shape)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self._moved(x, self.in_shape, self.out_shape)

    def inverse(self, y: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self._moved(y, self.out_shape, self.in_shape)

    def _moved(
        self, x: Tensor, old: tuple[int, ...], new: tuple[int, ...]
    ) -> tuple[Tensor, Tensor]:
        check_event(self, x, old)
        batch = x.shape[: x.ndim - len(old)]
        return x.reshape(*batch, *new), x.new_zeros(batch)


class Squeeze(Transform):
    """Blocks of f x f pixels become channels: (C, H, W) to (C f^2, H / f, W / f); both ladj are 0.

    Of every channel, the f^2 pixels of a block lie side by side, row by row. Its ``Inverse`` is the
    unsqueezing that stands on the data's side of a coarser scale. Ignores context.

    Args:
        shape: event shape (C, H, W) of x.
        factor: side f of a block.

    Shapes: x (*batch, C, H, W), y (*batch, C f^2, H / f, W / f).

    Raises:
        ShapeError: sides that f does not divide, or events of another shape.
        ValueError: a factor that is no whole number of at least 1.

    Reference: "Density estimation using Real NVP", Dinh, Sohl-Dickstein, Bengio, 2016,
    arXiv:1605.08803 (section 3.6).

    Example:
        >>> import torch, diffeo
        >>> y, _ = diffeo.transforms.Squeeze((1, 2, 2))(torch.arange(4.0).reshape(1, 2, 2))
        >>> y.flatten()
        tensor([0., 1., 2., 3.])
    """

    lossless = True

    def __init__(self, shape: tuple[int, int, int], factor: int = 2) -> None:
        channels, height, width = check_image("Squeeze", shape)
        f = check_count("factor", factor)
        if height % f or width % f:
            raise ShapeError(
                f"Squeeze: blocks of {f} x {f} pixels do not divide images of {height} x {width}; "
                f"pad or crop them to multiples of {f}"
            )
        super().__init__((channels, height, width), (channels * f * f, height // f, width // f))
        self.factor = f

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        check_event(self, x, self.in_shape)
        batch = x.shape[:-3]
        channels, height, width = self.in_shape
        f = self.factor
        blocks = x.reshape(*batch, channels, height // f, f, width // f, f)
        k = len(batch)
        order = (*range(k), k, k + 2, k + 4, k + 1, k + 3)
        return blocks.permute(order).reshape(*batch, *self.out_shape), x.new_zeros(batch)

    def inverse(self, y: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        check_event(self, y, self.out_shape)
        batch = y.shape[:-3]
        channels, height, width = self.in_shape
        f = self.factor
        blocks = y.reshape(*batch, channels, f, f, height // f, width // f)
        k = len(batch)
        order = (*range(k), k, k + 3, k + 1, k + 4, k + 2)
        return blocks.permute(order).reshape(*batch, *self.in_shape), y.new_zeros(batch)
