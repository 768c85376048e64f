"""The sets on which variables live."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from diffeo.described import Described

__all__ = ["Features", "Interval", "Positive", "Real", "Support", "interval", "positive", "real"]


class Support(Described, ABC):
    """A set of values; ``contains`` answers element by element."""

    @abstractmethod
    def contains(self, x: Tensor) -> Tensor:
        """Boolean tensor of the shape of ``x``: true inside the set, false for NaN."""

    @abstractmethod
    def interior(self, like: Tensor) -> Tensor:
        """A point well inside the set, broadcastable to ``like``."""

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash(repr(self))


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

    def __repr__(self) -> str:
        return f"interval({self.low:g}, {self.high:g})"


class Features(Support):
    """One support per feature, along the last axis.

    Args:
        supports: scalar supports, one a feature.
    """

    def __init__(self, supports: Sequence[Support]) -> None:
        self.supports = tuple(supports)

    def contains(self, x: Tensor) -> Tensor:
        columns = [s.contains(x[..., i]) for i, s in enumerate(self.supports)]
        return torch.stack(columns, dim=-1)

    def interior(self, like: Tensor) -> Tensor:
        return torch.stack([s.interior(like) for s in self.supports])

    def __repr__(self) -> str:
        return f"[{', '.join(map(repr, self.supports))}]"


def real() -> Real:
    """The support of all finite numbers."""
    return Real()


def positive() -> Positive:
    """The support of finite numbers greater than zero."""
    return Positive()


def interval(low: float, high: float) -> Interval:
    """The support of numbers between ``low`` and ``high``."""
    return Interval(low, high)
