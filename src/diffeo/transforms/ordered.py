"""From the reals onto increasing vectors."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from diffeo.checks import check_event, check_features
from diffeo.supports import Ordered, PositiveOrdered
from diffeo.transform import Transform
from diffeo.transforms.inside import unless_outside

__all__ = ["Increments"]


class Increments(Transform):
    """From the reals onto increasing vectors, by positive steps:

        y_1 = x_1,   y_k = y_{k-1} + exp(x_k),

    and y_1 = exp(x_1) where ``positive``. Neighbours that are equal, because they were rounded,
    count as half a rounding apart. Ignores context.

    Args:
        features: number of features D.
        positive: onto vectors of positive numbers.

    Shapes: x (*batch, D).

    Raises:
        ShapeError: events of another shape.

    Reference: "Stan Reference Manual" (constraint transforms: ordered vector), Stan Development
    Team, 2024.

    Example:
        >>> import torch, diffeo
        >>> diffeo.transforms.Increments(3)(torch.zeros(3))[0]
        tensor([0., 1., 2.])
    """

    def __init__(self, features: int, *, positive: bool = False) -> None:
        check_features("Increments", features)
        super().__init__((features,))
        self.positive = positive
        self.codomain = PositiveOrdered(features) if positive else Ordered(features)

    def _parts(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What enters as it is, and what enters by its exponential."""
        start = 0 if self.positive else 1
        return x[..., :start], x[..., start:]

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        check_event(self, x, self.in_shape)
        info = torch.finfo(x.dtype)
        first, logs = self._parts(x)
        # steps that are normal numbers, and whose sum is finite
        most = math.log(info.max / (self.in_shape[0] + 1))
        logs = logs.clamp(math.log(info.tiny), most)
        return torch.cat([first, logs.exp()], dim=-1).cumsum(-1), logs.sum(-1)

    def inverse(self, y: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        check_event(self, y, self.in_shape)
        info = torch.finfo(y.dtype)
        before = torch.cat([torch.zeros_like(y[..., :1]), y[..., :-1]], dim=-1)
        least = torch.maximum(y.abs(), before.abs()).detach() * (info.eps / 2)
        first, _ = self._parts(y)
        _, steps = self._parts(torch.maximum(y - before, least.clamp(min=info.tiny)))
        logs = steps.log()
        ladj = unless_outside(self.codomain, y, -logs.sum(-1))
        return torch.cat([first, logs], dim=-1), ladj
