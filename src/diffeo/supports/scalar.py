"""Sets of single numbers."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from diffeo.supports.support import Support

__all__ = ["Circle", "Interval", "Positive", "Real", "wrap"]


class Real(Support):
    """All finite numbers."""

    def contains(self, x: Tensor) -> Tensor:
        return x.isfinite()

    def interior(self, like: Tensor) -> Tensor:
        return like.new_zeros(())

    def __repr__(self) -> str:
        return "real()"


class Positive(Support):
    """Finite numbers greater than zero."""

    def contains(self, x: Tensor) -> Tensor:
        return (x > 0) & x.isfinite()

    def interior(self, like: Tensor) -> Tensor:
        return like.new_ones(())

    def __repr__(self) -> str:
        return "positive()"


class Interval(Support):
    """Numbers from ``low`` to ``high``; the bounds belong to it, because values round onto them.

    Args:
        low: lower bound, finite.
        high: upper bound, finite and greater than ``low``.

    Raises:
        ValueError: if the bounds are not finite and ordered.
    """

    def __init__(self, low: float, high: float) -> None:
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ValueError(
                f"interval needs finite bounds with low < high, got low={low}, high={high}"
            )
        self.low = float(low)
        self.high = float(high)

    def contains(self, x: Tensor) -> Tensor:
        return (x >= self.low) & (x <= self.high)

    def interior(self, like: Tensor) -> Tensor:
        return like.new_full((), (self.low + self.high) / 2)

    def on_bound(self, x: Tensor) -> Tensor:
        return (x == self.low) | (x == self.high)

    def __repr__(self) -> str:
        return f"interval({self.low:g}, {self.high:g})"


class Circle(Support):
    """Angles from -pi to pi in radians; both ends are the same point."""

    def contains(self, x: Tensor) -> Tensor:
        return x.abs() <= math.pi

    def interior(self, like: Tensor) -> Tensor:
        return like.new_zeros(())

    def nearest(self, x: Tensor) -> Tensor:
        return wrap(x)

    def __repr__(self) -> str:
        return "circle()"


def wrap(angle: Tensor) -> Tensor:
    """An angle of any size, less full turns so that it lies in [-pi, pi]."""
    turns = torch.round(angle / (2 * math.pi))
    # angles that need no turn keep all digits; the clamp meets only the last rounding
    return (angle - 2 * math.pi * turns).clamp(-math.pi, math.pi)
