"""The largest of each group of columns."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from diffeo.checks import check_batch, check_features
from diffeo.density import Density
from diffeo.draw import Draw
from diffeo.errors import ShapeError
from diffeo.supports import Positive, parts_of
from diffeo.surjections.proposal import initialize, matching, on_positive
from diffeo.surjections.rows import with_context
from diffeo.surjections.surjection import Surjection

__all__ = ["MaxPool"]


class MaxPool(Surjection):
    """The largest of each group of K columns, beside which ``forward`` draws the other ones:

        x_group = (z, z - d_1, ..., z - d_{K-1}) with z moved to a place drawn uniformly,
        d ~ p(d | z, context),    contribution log p(d | z, context) - G log K,

    for G groups of neighbouring columns and gaps d > 0. The contribution is exact. The flow goes on
    with G of the G K columns. Columns that are equal to the largest, because they were rounded,
    count as half a rounding below it. By default p is an autoregressive spline flow of log d.

    Args:
        features: number of columns G K of x.
        size: size K of a group, at least 2.
        context: width of the context; 0 for none.
        hidden: hidden widths of the network of p.
        bins: bins of the splines of p.
        density: a p of your own: a density of G (K - 1) positive features, group by group, given z
            and the context.

    Shapes: z (*batch, G), x (*batch, G K), context (*batch, context).

    Raises:
        ShapeError: a size that does not divide the features, a density of other widths; events of
            another shape.
        ValueError: a given density whose ``log_prob`` is a bound, or not of positive numbers.
        ContextError: a missing context, or one of another width.

    Reference: "SurVAE Flows: Surjections to Bridge the Gap between VAEs and Flows", Nielsen, Jaini,
    Hoogeboom, Winther, Welling, 2020, arXiv:2007.02731.

    Example:
        >>> import torch, diffeo
        >>> layer = diffeo.surjections.MaxPool(features=4, size=2)
        >>> layer.inverse(torch.tensor([1.0, 3.0, 5.0, 2.0]))[0]
        tensor([3., 5.])
    """

    def __init__(
        self,
        features: int,
        size: int,
        *,
        context: int = 0,
        hidden: Sequence[int] = (64, 64),
        bins: int = 8,
        density: Density | None = None,
    ) -> None:
        check_features("MaxPool", features)
        check_features("MaxPool: size", size)
        if size < 2 or features % size:
            raise ShapeError(
                f"MaxPool: groups of size {size} do not make up {features} features; the size must "
                f"be a divisor of them, at least 2"
            )
        groups = features // size
        super().__init__((groups,), (features,))
        self.size = size
        self.context = context
        gaps, width = features - groups, groups + context
        if density is None:
            self.density: Density = on_positive(gaps, width, hidden, bins)
        else:
            self.density = matching("MaxPool", density, gaps, width)
            if not all(isinstance(s, Positive) for s in parts_of(density.support, gaps)):
                raise ValueError(
                    f"MaxPool: its density must be one of positive numbers, but it is one of "
                    f"{density.support!r}"
                )
        self.has_rsample = self.density.has_rsample
        self.compiles = self.density.compiles
        self.exactness = self.density.exactness

    def _seen(self, z: Tensor, context: Tensor | None) -> Tensor:
        return with_context(z, context if self.context else None)

    def forward(
        self,
        z: Tensor,
        context: Tensor | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        z = check_batch(self, z, context, self.in_shape, self.context)
        gaps = self.density._rsample(Draw((), self._seen(z, context), generator))
        largest = z[..., None]
        uniform = torch.rand(largest.shape, generator=generator, dtype=z.dtype, device=z.device)
        place = (uniform * self.size).long().clamp(max=self.size - 1)
        ordered = torch.cat([largest, largest - gaps.unflatten(-1, (-1, self.size - 1))], dim=-1)
        # the places before that of the largest take what comes after it
        slots = torch.arange(self.size, device=z.device)
        source = torch.where(slots == place, 0, slots + (slots < place).long())
        return ordered.gather(-1, source).flatten(-2)

    def inverse(
        self,
        x: Tensor,
        context: Tensor | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor]:
        x = check_batch(self, x, context, self.out_shape, self.context)
        z, gaps = self._parts(x)
        log_prob = self.density._log_prob(gaps, self._seen(z, context))
        return z, log_prob - z.shape[-1] * math.log(self.size)

    def _parts(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The largest of each group, and how far the others are below it."""
        group = x.unflatten(-1, (-1, self.size))
        place = group.argmax(-1, keepdim=True)
        largest = group.gather(-1, place)
        slots = torch.arange(self.size - 1, device=x.device)
        rest = group.gather(-1, slots + (slots >= place).long())
        info = torch.finfo(x.dtype)
        least = (largest.detach().abs() * (info.eps / 2)).clamp(min=info.tiny)
        return largest[..., 0], torch.maximum(largest - rest, least).flatten(-2)

    def initialize(self, x: Tensor, context: Tensor | None = None) -> None:
        z, gaps = self._parts(x)
        initialize(self.density, self._seen(z, context), gaps)
