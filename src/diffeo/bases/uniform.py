"""Uniform base on a box."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from diffeo.bases.normal import per_feature
from diffeo.checks import check_features
from diffeo.density import Density
from diffeo.draw import Draw
from diffeo.supports import Features, Interval

__all__ = ["BoxUniform"]


class BoxUniform(Density):
    """Uniform density on the box (low, high); log-density -inf outside. Ignores context.

    Args:
        features: number of features D.
        low: lower bounds, a number or D numbers.
        high: upper bounds, a number or D numbers, greater than ``low``.

    Shapes: events (*batch, D).

    Raises:
        ShapeError: bounds of another length.
        ValueError: bounds that are not finite and ordered.

    Example:
        >>> import torch, diffeo
        >>> diffeo.bases.BoxUniform(1, 0.0, 2.0).log_prob(torch.ones(1))
        tensor(-0.6931)
    """

    low: Tensor
    high: Tensor

    def __init__(
        self,
        features: int,
        low: float | Sequence[float] | Tensor = 0.0,
        high: float | Sequence[float] | Tensor = 1.0,
    ) -> None:
        check_features("BoxUniform", features)
        super().__init__((features,))
        self.register_buffer("low", per_feature("low", low, features))
        self.register_buffer("high", per_feature("high", high, features))
        bounds = zip(self.low.tolist(), self.high.tolist(), strict=True)
        self.support = Features([Interval(a, b) for a, b in bounds])

    def _log_prob(self, x: Tensor, context: Tensor | None) -> Tensor:
        inside = ((x >= self.low) & (x <= self.high)).all(-1)
        level = -torch.log(self.high - self.low).sum()
        value = torch.where(inside, level, -torch.inf)
        return torch.where(x.isnan().any(-1), torch.nan, value)

    def _rsample(self, draw: Draw) -> Tensor:
        unit = draw.uniform(self.event_shape, self.like)
        return self.low + (self.high - self.low) * unit
