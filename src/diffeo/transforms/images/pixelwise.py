"""Transforms of vectors applied to the channels of every pixel."""

from __future__ import annotations

from torch import Tensor

from diffeo.checks import check_batch, check_count
from diffeo.errors import ShapeError
from diffeo.transform import Transform

__all__ = ["Pixelwise"]


class Pixelwise(Transform):
    """One transform of the channels, the same at every pixel: y_{:,i,j} = t(x_{:,i,j}, context).

    The ladj is the sum over pixels. ``Pixelwise(LU(C), H, W)`` is Glow's invertible 1 x 1
    convolution, ``Pixelwise(ActNorm(C), H, W)`` its activation normalisation, which ``initialize``
    sets from all pixels of a batch.

    Args:
        transform: a transform of vectors of C channels, of as many as it gives.
        height: height of the images H.
        width: width of the images W.

    Shapes: x (*batch, C, H, W), context (*batch, context of the transform).

    Raises:
        ShapeError: a transform of other than vectors, or with several supports; events of another
            shape.
        ContextError: a missing context, or one of another width.

    Reference: "Glow: Generative Flow with Invertible 1x1 Convolutions", Kingma, Dhariwal, 2018,
    arXiv:1807.03039 (section 3).

    Example:
        >>> import torch, diffeo
        >>> from diffeo.transforms import LU, Pixelwise
        >>> y, ladj = Pixelwise(LU(3), 8, 8)(torch.zeros(5, 3, 8, 8))
        >>> y.shape, ladj.shape
        (torch.Size([5, 3, 8, 8]), torch.Size([5]))
    """

    def __init__(self, transform: Transform, height: int, width: int) -> None:
        if len(transform.in_shape) != 1 or transform.out_shape != transform.in_shape:
            raise ShapeError(
                f"Pixelwise needs a transform of vectors that keeps their length, but "
                f"{type(transform).__name__} maps {transform.in_shape} to {transform.out_shape}"
            )
        if transform.domain.columns != 1 or transform.codomain.columns != 1:
            raise ShapeError(
                f"Pixelwise needs a transform with the same support for every channel, but "
                f"{type(transform).__name__} maps {transform.domain!r} to {transform.codomain!r}"
            )
        pixels = check_count("height", height), check_count("width", width)
        super().__init__((*transform.in_shape, *pixels))
        self.transform = transform
        self.height, self.width = pixels
        self.context = transform.context
        self.domain, self.codomain = transform.domain, transform.codomain
        self.exactness = transform.exactness
        self.compiles = transform.compiles
        self.data_dependent = transform.data_dependent
        self.lossless = transform.lossless

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self._at_every_pixel(x, context, inverted=False)

    def inverse(self, y: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self._at_every_pixel(y, context, inverted=True)

    def _at_every_pixel(
        self, x: Tensor, context: Tensor | None, *, inverted: bool
    ) -> tuple[Tensor, Tensor]:
        x = check_batch(self, x, context, self.in_shape, self.context)
        run = self.transform.inverse if inverted else self.transform
        y, ladj = run(x.movedim(-3, -1), self._of_pixels(context))
        return y.movedim(-1, -3), ladj.sum((-2, -1))

    def _of_pixels(self, context: Tensor | None) -> Tensor | None:
        return None if context is None or not self.context else context[..., None, None, :]

    def initialize(self, y: Tensor, context: Tensor | None = None) -> None:
        each = self._of_pixels(context)
        if each is not None:
            batch = (*y.shape[:-3], self.height, self.width)
            each = each.expand(*batch, each.shape[-1]).flatten(0, -2)
        self.transform.initialize(y.movedim(-3, -1).flatten(0, -2), each)
