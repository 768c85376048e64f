"""Images as sequences of patches."""

from __future__ import annotations

from torch import Tensor

from diffeo.checks import check_count, check_event
from diffeo.errors import ShapeError
from diffeo.transform import Transform

__all__ = ["Patchify"]


class Patchify(Transform):
    """An image (C, H, W) as T = HW / p^2 tokens of C p^2 pixels, with ladj 0. Ignores context.

    Tokens follow one another row by row; in a token the channel is the slowest axis.

    Args:
        image_shape: (C, H, W).
        patch: side p of a patch, a divisor of H and W.

    Shapes: x (*batch, C, H, W) -> (*batch, T, C p^2).

    Raises:
        ShapeError: an ``image_shape`` of other than three axes, a ``patch`` that does not divide
            it, or events of another shape.

    Example:
        >>> import torch, diffeo
        >>> diffeo.transforms.Patchify((3, 8, 8), patch=4)(torch.zeros(5, 3, 8, 8))[0].shape
        torch.Size([5, 4, 48])
    """

    lossless = True

    def __init__(self, image_shape: tuple[int, int, int], patch: int) -> None:
        shape = tuple(image_shape)
        if len(shape) != 3:
            raise ShapeError(f"Patchify: image_shape must be (C, H, W), got {shape}")
        for size in shape:
            check_count("Patchify: each size of image_shape", size)
        check_count("Patchify: patch", patch)
        channels, height, width = shape
        if height % patch or width % patch:
            raise ShapeError(
                f"Patchify: images of {height} x {width} pixels do not split into patches of "
                f"{patch} x {patch}; choose a patch that divides both"
            )
        self.grid = (height // patch, width // patch)
        super().__init__(shape, (self.grid[0] * self.grid[1], channels * patch * patch))
        self.patch = patch

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        check_event(self, x, self.in_shape)
        # (*batch, C, rows, p, columns, p)
        split = x.unflatten(-1, (self.grid[1], self.patch)).unflatten(-3, (self.grid[0], self.patch))
        tokens = split.movedim((-4, -2, -5, -3, -1), (-5, -4, -3, -2, -1))
        return tokens.flatten(-3).flatten(-3, -2), x.new_zeros(x.shape[:-3])

    def inverse(self, y: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        check_event(self, y, self.out_shape)
        split = y.unflatten(-1, (-1, self.patch, self.patch)).unflatten(-4, self.grid)
        image = split.movedim((-3, -5, -2, -4, -1), (-5, -4, -3, -2, -1))
        return image.flatten(-2).flatten(-3, -2), y.new_zeros(y.shape[:-2])
