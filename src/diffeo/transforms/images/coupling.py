"""Couplings of images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from diffeo.errors import ShapeError
from diffeo.nets.convolutional import ConvNet
from diffeo.nets.layers import compress
from diffeo.transforms.coupled import Coupled
from diffeo.transforms.images.shapes import check_image
from diffeo.transforms.placement import check_conditioner, check_on_reals
from diffeo.univariates.univariate import Univariate

__all__ = ["ImageCoupling"]

Mask = Literal["channels", "checkerboard"] | Sequence[bool]


class ImageCoupling(Coupled):
    """Channels, or every second pixel, are transformed, with parameters predicted from the others:

        y_m = g(x_m; p(x_k, context)),   y_k = x_k.

    Args:
        shape: event shape (C, H, W).
        univariate: the scalar map g, on the reals.
        mask: what moves: "channels" for the second half of the channels (the larger one if C is
            odd), "checkerboard" for the pixels (i, j) of which i + j is odd, or C booleans, true
            for a channel that moves.
        flip: move what the mask keeps, and keep what it moves.
        context: width of the context; 0 for none.
        hidden: channels of the convolutions of the conditioner, a ``ConvNet``.
        conditioner: a module of your own that maps x_k (*batch, kept channels, H, W) (and context)
            to (*batch, num_params * moved channels, H, W), read as (num_params, moved channels). On
            a checkerboard it is given all channels, zero where pixels move.

    Shapes: x (*batch, C, H, W), context (*batch, context).

    Raises:
        ShapeError: a mask that moves or keeps no channel, a conditioner of another width, or events
            of another shape.
        ValueError: a mask of another name, or a univariate that is not of the reals.
        ContextError: a missing context, or one of another width.

    Reference: "Density estimation using Real NVP", Dinh, Sohl-Dickstein, Bengio, 2016,
    arXiv:1605.08803 (section 3.4).

    Example:
        >>> import torch, diffeo
        >>> from diffeo.transforms import ImageCoupling
        >>> layer = ImageCoupling((3, 8, 8), diffeo.univariates.Affine(), mask="checkerboard")
        >>> y, ladj = layer(torch.zeros(5, 3, 8, 8))
    """

    place: Tensor
    kept: Tensor
    restore: Tensor

    def __init__(
        self,
        shape: tuple[int, int, int],
        univariate: Univariate,
        *,
        mask: Mask = "channels",
        flip: bool = False,
        context: int = 0,
        hidden: int = 64,
        conditioner: nn.Module | None = None,
    ) -> None:
        channels, height, width = check_image("ImageCoupling", shape)
        check_on_reals("ImageCoupling", univariate)
        board = mask == "checkerboard"
        super().__init__((channels, height, width), univariate, context, 2 if board else 3)
        self._on_board = board
        moved = _board(height, width, flip) if board else _channels(channels, mask, flip)
        place, kept = moved.nonzero()[:, 0], (~moved).nonzero()[:, 0]
        if not len(place) or not len(kept):
            raise ShapeError(
                f"ImageCoupling: the mask {mask!r} must move some and keep some of an image of "
                f"shape {self.in_shape}; with one channel, use mask='checkerboard'"
            )
        self.register_buffer("place", place, persistent=False)
        self.register_buffer("kept", kept, persistent=False)
        self.register_buffer("restore", torch.cat([kept, place]).argsort(), persistent=False)
        seen, predicted = (channels, channels) if board else (len(kept), len(place))
        outputs = univariate.num_params * predicted
        if conditioner is None:
            conditioner = ConvNet(seen, outputs, hidden, context)
        else:
            pixels = (height, width)
            check_conditioner(self, conditioner, (seen, *pixels), (outputs, *pixels), context)
        self.conditioner = conditioner

    def _parts(self, x: Tensor) -> tuple[Tensor, Tensor]:
        if self._on_board:
            pixels = x.flatten(-2)
            moved = pixels.index_select(-1, self.place)
            kept = pixels.index_fill(-1, self.place, 0.0).unflatten(-1, x.shape[-2:])
            return kept, moved.movedim((-2, -1), (0, 1))
        moved = x.index_select(-3, self.place)
        return x.index_select(-3, self.kept), moved.movedim((-3, -2, -1), (0, 1, 2))

    def _merge(self, kept: Tensor, moved: Tensor) -> Tensor:
        if self._on_board:
            back = moved.movedim((0, 1), (-2, -1))
            return kept.flatten(-2).index_copy(-1, self.place, back).unflatten(-1, kept.shape[-2:])
        joined = torch.cat([kept, moved.movedim((0, 1, 2), (-3, -2, -1))], dim=-3)
        return joined.index_select(-3, self.restore)

    def _params(self, kept: Tensor, context: Tensor | None) -> Tensor:
        # a univariate must not work in half precision, whatever the network does
        out = self._predicted(compress(kept), context).to(kept.dtype)
        out = out.unflatten(-3, (self.univariate.num_params, -1))
        if self._on_board:
            return out.flatten(-2).index_select(-1, self.place).movedim((-3, -2, -1), (0, 1, 2))
        return out.movedim((-4, -3, -2, -1), (0, 1, 2, 3))

    def _predicted(self, kept: Tensor, context: Tensor | None) -> Tensor:
        out: Tensor = self.conditioner(kept, context) if self.context else self.conditioner(kept)
        return out

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self._plain_forward(x, context)

    def inverse(self, y: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self._plain_inverse(y, context)


def _board(height: int, width: int, flip: bool) -> Tensor:
    """Which pixels of a checkerboard move, row by row."""
    odd = (torch.arange(height)[:, None] + torch.arange(width)) % 2 == 1
    return (odd != flip).flatten()


def _channels(count: int, mask: Mask, flip: bool) -> Tensor:
    """Which channels move."""
    if isinstance(mask, str):
        if mask != "channels":
            raise ValueError(
                f"ImageCoupling: mask must be 'channels', 'checkerboard' or {count} booleans, "
                f"got {mask!r}"
            )
        moved = torch.arange(count) >= count // 2
    else:
        moved = torch.as_tensor(list(mask)).bool()
        if len(moved) != count:
            raise ShapeError(
                f"ImageCoupling: the mask must hold {count} booleans, one for each channel, "
                f"got {len(moved)}"
            )
    return moved != flip
