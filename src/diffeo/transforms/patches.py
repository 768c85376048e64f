"""Images as sequences of patches."""

from __future__ import annotations

from torch import Tensor

from diffeo.checks import check_event
from diffeo.transform import Transform
from diffeo.transforms.images.squeeze import Squeeze

__all__ = ["Patchify"]


class Patchify(Transform):
    """An image (C, H, W) as T = HW / p^2 tokens of C p^2 pixels; both ladj are 0.

    Patches follow one another row by row; in a token, a channel's pixels lie side by side, row by
    row. Ignores context.

    Args:
        shape: event shape (C, H, W) of the image.
        patch: side p of a patch.

    Shapes: x (*batch, C, H, W), y (*batch, T, C p^2).

    Raises:
        ShapeError: sides that p does not divide, or events of another shape.
        ValueError: a patch that is no whole number of at least 1.

    Reference: "An Image is Worth 16x16 Words: Transformers for Image Recognition at Scale",
    Dosovitskiy et al., 2020, arXiv:2010.11929.

    Example:
        >>> import torch, diffeo
        >>> diffeo.transforms.Patchify((3, 8, 8), patch=4)(torch.zeros(5, 3, 8, 8))[0].shape
        torch.Size([5, 4, 48])
    """

    lossless = True

    def __init__(self, shape: tuple[int, int, int], patch: int) -> None:
        squeeze = Squeeze(shape, patch)
        width, *grid = squeeze.out_shape
        super().__init__(squeeze.in_shape, (grid[0] * grid[1], width))
        self.grid = tuple(grid)
        self.squeeze = squeeze

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        check_event(self, x, self.in_shape)
        patches, ladj = self.squeeze(x)
        return patches.flatten(-2).mT, ladj

    def inverse(self, y: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        check_event(self, y, self.out_shape)
        return self.squeeze.inverse(y.mT.unflatten(-1, self.grid))
