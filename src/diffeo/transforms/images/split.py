"""Factoring out: channels that leave a multi-scale flow early."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from diffeo.checks import check_batch, check_count
from diffeo.errors import ShapeError
from diffeo.pullback import Pulled
from diffeo.supports import Real
from diffeo.transform import Transform

__all__ = ["Split"]


class Split(Transform):
    """Channels that go on through an inner transform, and channels that are noise already:

        forward(z, e) = (inner(z), e),

    where a vector of noise is cut into z and e, and what comes out are channels side by side. The
    coarser scales of a multi-scale flow lie inside; an affine ``ImageCoupling`` after it, which
    moves the channels e given the others, is their learned Gaussian prior. So a whole multi-scale
    flow is one bijection of a vector.

    Args:
        inner: a transform from vectors to images (C', H, W).
        channels: number of channels of e.

    Shapes: (z, e) (*batch, D), D the size of the images (*batch, C' + channels, H, W).

    Raises:
        ShapeError: an inner transform of other than vectors to images; events of another shape.
        ContextError: a missing context, or one of another width.

    Reference: "Density estimation using Real NVP", Dinh, Sohl-Dickstein, Bengio, 2016,
    arXiv:1605.08803 (section 3.6); "Glow: Generative Flow with Invertible 1x1 Convolutions",
    Kingma, Dhariwal, 2018, arXiv:1807.03039.

    Example:
        >>> import torch, diffeo
        >>> from diffeo.transforms import Reshape, Split
        >>> inner = Reshape((8,), (2, 2, 2))
        >>> Split(inner, channels=3)(torch.zeros(5, 20))[0].shape
        torch.Size([5, 5, 2, 2])
    """

    def __init__(self, inner: Transform, channels: int) -> None:
        check_count("channels", channels)
        if len(inner.in_shape) != 1 or len(inner.out_shape) != 3:
            raise ShapeError(
                f"Split: the inner transform must take vectors to images, but "
                f"{type(inner).__name__} takes {inner.in_shape} to {inner.out_shape}"
            )
        if not (isinstance(inner.domain, Real) and isinstance(inner.codomain, Real)):
            raise ShapeError("Split: the inner transform must be from the reals to the reals")
        kept, *pixels = inner.out_shape
        shape = (kept + channels, *pixels)
        super().__init__((math.prod(shape),), shape)
        self.inner = inner
        self.channels = channels
        self.context = inner.context
        self.exactness = inner.exactness
        self.compiles = inner.compiles
        self.lossless = inner.lossless

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        x = check_batch(self, x, context, self.in_shape, self.context)
        z, noise = self._cut_noise(x)
        image, ladj = self.inner(z, context)
        return self._join(image, noise), ladj

    def inverse(self, y: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        y = check_batch(self, y, context, self.out_shape, self.context)
        image, noise = self._cut(y)
        z, ladj = self.inner.inverse(image, context)
        return self._join_noise(z, noise), ladj

    def pull_back(
        self,
        output: Tensor,
        context: Tensor | None,
        grads: Sequence[Tensor],
        wanted: Sequence[Tensor],
        *,
        inverted: bool,
    ) -> Pulled:
        """What is factored out is known: only the inner transform needs to be undone."""
        cut, joined = (self._cut_noise, self._join) if inverted else (self._cut, self._join_noise)
        inner, rest = cut(output)
        grad_inner, grad_rest = cut(grads[0])
        found = self.inner.pull_back(
            inner, context, (grad_inner, grads[1]), wanted, inverted=inverted
        )
        return Pulled(joined(found.input, rest), None, joined(found.grad, grad_rest), found.others)

    def _join(self, image: Tensor, noise: Tensor) -> Tensor:
        return torch.cat([image, noise], dim=-3)

    def _join_noise(self, z: Tensor, noise: Tensor) -> Tensor:
        return torch.cat([z, noise.flatten(-3)], dim=-1)

    def _cut_noise(self, x: Tensor) -> tuple[Tensor, Tensor]:
        size = self.inner.in_shape[0]
        return x[..., :size], x[..., size:].unflatten(-1, (self.channels, *self.out_shape[1:]))

    def _cut(self, y: Tensor) -> tuple[Tensor, Tensor]:
        kept = self.inner.out_shape[0]
        return y[..., :kept, :, :], y[..., kept:, :, :]

    def initialize(self, y: Tensor, context: Tensor | None = None) -> None:
        self.inner.initialize(self._cut(y)[0], context)
