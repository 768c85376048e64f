"""Pixels of n bits as real numbers that are rounded down."""

from __future__ import annotations

import math
from abc import abstractmethod

import torch
from torch import Tensor

from diffeo.checks import check_batch, check_bits, check_count
from diffeo.errors import ShapeError
from diffeo.supports import Interval
from diffeo.supports.discrete import Integers
from diffeo.surjections.surjection import Surjection
from diffeo.transforms import ImageCoupling, Sequential, Squeeze
from diffeo.transforms.images.shapes import check_image
from diffeo.univariates import Affine

__all__ = ["UniformPixelDequantization", "VariationalPixelDequantization"]


class _PixelDequantization(Surjection):
    """x = floor(2^n z), kept within 0..2^n - 1; a subclass draws the fractions of the inverse."""

    clamps = True

    def __init__(self, shape: tuple[int, int, int], bits: int) -> None:
        check_bits(bits)
        shape = check_image(type(self).__name__, shape)
        super().__init__(shape, shape)
        self.bits = bits
        self.levels = 2**bits
        self.domain, self.codomain = Interval(0, 1), Integers(0, self.levels - 1)

    @abstractmethod
    def _fractions(
        self, x: Tensor, context: Tensor | None, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor]:
        """u (*batch, C, H, W) in [0, 1] and log q(u | x) (*batch)."""

    def forward(
        self,
        z: Tensor,
        context: Tensor | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        z = check_batch(self, z, context, self.in_shape, self.context)
        return torch.clamp(torch.floor(z * self.levels), 0, self.levels - 1)

    def inverse(
        self,
        x: Tensor,
        context: Tensor | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor]:
        x = check_batch(self, x, context, self.out_shape, self.context)
        u, log_q = self._fractions(x, context, generator)
        # 0 and 1 themselves would lie on the edge of the domain
        least = torch.finfo(x.dtype).eps * self.levels
        z = (x + u.clamp(least, 1 - least)) / self.levels
        return z, -log_q - math.prod(self.in_shape) * math.log(self.levels)


class UniformPixelDequantization(_PixelDequantization):
    """Pixels of n bits as real numbers in (0, 1), whose fractions the inverse draws uniformly:

        x = floor(2^n z),    z = (x + u) / 2^n,    u ~ U(0, 1),    contribution -D n log 2.

    Reals outside (0, 1) become the nearest pixel value. Ignores context.

    Args:
        shape: event shape (C, H, W), of D = C H W pixels.
        bits: bits n of a pixel, at most 16.

    Shapes: z and x (*batch, C, H, W), x of whole numbers 0..2^n - 1.

    Raises:
        ShapeError: a shape that is not of images; events of another shape.
        ValueError: bits out of range.

    Reference: "A note on the evaluation of generative models", Theis, van den Oord, Bethge, 2016,
    arXiv:1511.01844.

    Example:
        >>> import torch, diffeo
        >>> layer = diffeo.surjections.UniformPixelDequantization((1, 1, 1), bits=8)
        >>> layer(torch.tensor([[[0.5]]]))
        tensor([[[128.]]])
    """

    def _fractions(
        self, x: Tensor, context: Tensor | None, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor]:
        u = torch.rand(x.shape, generator=generator, dtype=x.dtype, device=x.device)
        return u, x.new_zeros(x.shape[:-3])


class VariationalPixelDequantization(_PixelDequantization):
    """Pixels of n bits as reals in (0, 1), whose fractions the inverse draws from a learned q:

        x = floor(2^n z),   z = (x + u) / 2^n,   u ~ q(u | x),   contribution -log q - D n log 2.

    q is a flow of affine couplings on squeezed images, each of which sees x, followed by the
    normal's distribution function; it starts as uniform dequantisation and makes the bound tighter.
    Reals outside (0, 1) become the nearest pixel value.

    Args:
        shape: event shape (C, H, W), with even H and W.
        bits: bits n of a pixel, at most 16.
        context: width of the context; 0 for none.
        layers: couplings of q.
        hidden: channels of their convolutions.

    Shapes: z and x (*batch, C, H, W), x of whole numbers 0..2^n - 1; context (*batch, context).

    Raises:
        ShapeError: a shape that is not of images, or of odd sides; events of another shape.
        ValueError: bits out of range.
        ContextError: a missing context, or one of another width.

    Reference: "Flow++: Improving Flow-Based Generative Models with Variational Dequantization and
    Architecture Design", Ho, Chen, Srinivas, Duan, Abbeel, 2019, arXiv:1902.00275.

    Example:
        >>> import torch, diffeo
        >>> layer = diffeo.surjections.VariationalPixelDequantization((1, 2, 2), bits=5)
        >>> x = torch.tensor([[[3.0, 0.0], [31.0, 7.0]]])
        >>> z, contribution = layer.inverse(x)
        >>> bool((layer(z) == x).all())
        True
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        bits: int,
        *,
        context: int = 0,
        layers: int = 4,
        hidden: int = 32,
    ) -> None:
        super().__init__(shape, bits)
        channels, height, width = self.in_shape
        if height % 2 or width % 2:
            raise ShapeError(
                f"VariationalPixelDequantization needs images of even sides, got {height} x "
                f"{width}; pad or crop them, or use UniformPixelDequantization"
            )
        self.context = context
        self.squeeze = Squeeze((2 * channels, height, width))
        squeezed = check_image("the squeezed image", self.squeeze.out_shape)
        # the noise lies in the first half of the channels, the image in the other
        first = [k < 2 * channels for k in range(4 * channels)]
        image = [False] * (4 * channels)
        self.couplings = Sequential(
            *(
                ImageCoupling(
                    squeezed,
                    Affine(),
                    mask=[*(n != (i % 2 == 0) for n in first), *image],
                    context=context,
                    hidden=hidden,
                )
                for i in range(check_count("layers", layers))
            )
        )

    def _fractions(
        self, x: Tensor, context: Tensor | None, generator: torch.Generator | None
    ) -> tuple[Tensor, Tensor]:
        noise = torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device)
        seen = 2 * x / (self.levels - 1) - 1
        joint, _ = self.squeeze(torch.cat([noise, seen], dim=-3))
        moved, ladj = self.couplings(joint, context)
        y = self.squeeze.inverse(moved)[0][..., : x.shape[-3], :, :]
        # from normal noise to fractions: the densities of both are normal but for the map's slope
        log_q = (y * y - noise * noise).flatten(-3).sum(-1) / 2 - ladj
        return torch.special.ndtr(y), log_q
