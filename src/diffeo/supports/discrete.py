"""Supports of discrete variables: integers and categories."""

from __future__ import annotations

import torch
from torch import Tensor

from diffeo.supports.support import Support, parts_of

__all__ = ["Categories", "Discrete", "Integers", "categories", "discrete_columns", "integers"]


class Discrete(Support):
    """Whole numbers from ``low`` to ``high``, which may be open; measured by counting.

    No diffeomorphism leads there from the reals: a surjection does (``diffeo.surjections``).
    """

    low: int | None
    high: int | None

    def contains(self, x: Tensor) -> Tensor:
        inside = (x == x.floor()) & x.isfinite()
        if self.low is not None:
            inside = inside & (x >= self.low)
        if self.high is not None:
            inside = inside & (x <= self.high)
        return inside

    def interior(self, like: Tensor) -> Tensor:
        return like.new_full((), float(self.low or 0))


class Integers(Discrete):
    """Whole numbers from ``low`` to ``high``, both included.

    Args:
        low: the least value; None for all integers.
        high: the greatest value, not less than ``low``; None for no greatest.

    Raises:
        ValueError: bounds that are not whole or not ordered, or ``high`` without ``low``.
    """

    def __init__(self, low: int | None = None, high: int | None = None) -> None:
        whole = all(
            b is None or (isinstance(b, int) and not isinstance(b, bool)) for b in (low, high)
        )
        if not whole or (high is not None and (low is None or low > high)):
            raise ValueError(
                f"integers needs whole bounds with low <= high, or no high, or none at all; "
                f"got low={low!r}, high={high!r}"
            )
        self.low, self.high = low, high

    def __repr__(self) -> str:
        bounds = [str(b) for b in (self.low, self.high) if b is not None]
        return f"integers({', '.join(bounds)})"


class Categories(Discrete):
    """The labels 0, 1, ..., count - 1, whose order means nothing.

    Args:
        count: number of labels, at least 2.

    Raises:
        ValueError: fewer than 2 labels.
    """

    def __init__(self, count: int) -> None:
        if isinstance(count, bool) or not isinstance(count, int) or count < 2:
            raise ValueError(f"categories needs a whole number of at least 2 labels, got {count!r}")
        self.count = count
        self.low, self.high = 0, count - 1

    def __repr__(self) -> str:
        return f"categories({self.count})"


def integers(low: int | None = None, high: int | None = None) -> Integers:
    """The support of whole numbers from ``low`` to ``high``, both included; open without them."""
    return Integers(low, high)


def categories(count: int) -> Categories:
    """The support of the unordered labels 0, 1, ..., count - 1."""
    return Categories(count)


def discrete_columns(support: Support, columns: int) -> Tensor:
    """(columns,): true where events on ``support`` are discrete."""
    parts = parts_of(support, columns)
    return torch.tensor([isinstance(s, Discrete) for s in parts for _ in range(s.columns)])
