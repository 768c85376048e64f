"""The contract of every support, and supports side by side."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from diffeo.described import Described

__all__ = ["Features", "Support", "parts_of"]


class Support(Described, ABC):
    """A set of values, of one column (then of tensors of any shape) or of several together.

    Attributes:
        columns: columns of data that it takes, along the last axis.
        free: dimension of the set: as many reals describe a point of it.
        fixed: columns that hold the same value at every point of it.
        wanted: for error messages, what values of several columns must be together.
    """

    columns: int = 1
    free: int = 1
    fixed: tuple[int, ...] = ()
    wanted: str = ""

    @abstractmethod
    def contains(self, x: Tensor) -> Tensor:
        """Boolean tensor of the shape of ``x``: true inside the set, false for NaN.

        A point of several columns is inside where all of them are true.
        """

    @abstractmethod
    def interior(self, like: Tensor) -> Tensor:
        """A point well inside the set, broadcastable to ``like``."""

    def on_bound(self, x: Tensor) -> Tensor:
        """Boolean tensor of the shape of ``x``: true on a bound, which lies at infinity of a flow.

        Bounds belong to a set all the same, because values round onto them.
        """
        return torch.zeros_like(x, dtype=torch.bool)

    def chart(self, x: Tensor, near: Tensor) -> Tensor:
        """The coordinates (*batch, free) to whose Lebesgue measure a density on the set refers.

        On curved sets they hold to first order around the points ``near`` (*batch, columns), which
        is all that a derivative there needs; most sets have coordinates that hold everywhere.
        """
        return x

    def embed(self, coordinates: Tensor, near: Tensor) -> Tensor:
        """The point (*batch, columns) that has these coordinates; the inverse of ``chart``."""
        return coordinates

    def nearest(self, x: Tensor) -> Tensor:
        """``x`` moved onto the set by as much as rounding or noise may have moved it off."""
        return x

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self._state() == other._state()

    def __hash__(self) -> int:
        return hash(repr(self))

    def _state(self) -> dict[str, Any]:
        # not how it was built: a list of supports or a tuple of them is the same
        return {name: value for name, value in vars(self).items() if name != "_arguments"}


class Features(Support):
    """Supports side by side along the last axis.

    Args:
        supports: each takes its ``columns`` of the last axis; those of another Features are taken
            one by one.
    """

    def __init__(self, supports: Sequence[Support]) -> None:
        flat: list[Support] = []
        for support in supports:
            flat += support.supports if isinstance(support, Features) else [support]
        self.supports: tuple[Support, ...] = tuple(flat)
        self.columns = sum(s.columns for s in flat)
        self.free = sum(s.free for s in flat)
        ends = itertools.accumulate(s.columns for s in flat)
        self.fixed = tuple(
            end - s.columns + i for end, s in zip(ends, flat, strict=True) for i in s.fixed
        )

    def _split(self, x: Tensor) -> list[tuple[Support, Tensor]]:
        columns = x.split([s.columns for s in self.supports], dim=-1)
        return list(zip(self.supports, columns, strict=True))

    def contains(self, x: Tensor) -> Tensor:
        return torch.cat([s.contains(columns) for s, columns in self._split(x)], dim=-1)

    def interior(self, like: Tensor) -> Tensor:
        return torch.cat([s.interior(like).expand(s.columns) for s in self.supports])

    def on_bound(self, x: Tensor) -> Tensor:
        return torch.cat([s.on_bound(columns) for s, columns in self._split(x)], dim=-1)

    def chart(self, x: Tensor, near: Tensor) -> Tensor:
        each = zip(self._split(x), self._split(near), strict=True)
        return torch.cat([s.chart(part, at) for (s, part), (_, at) in each], dim=-1)

    def embed(self, coordinates: Tensor, near: Tensor) -> Tensor:
        free = coordinates.split([s.free for s in self.supports], dim=-1)
        each = zip(free, self._split(near), strict=True)
        return torch.cat([s.embed(part, at) for part, (s, at) in each], dim=-1)

    def nearest(self, x: Tensor) -> Tensor:
        return torch.cat([s.nearest(columns) for s, columns in self._split(x)], dim=-1)

    def __repr__(self) -> str:
        return f"[{', '.join(map(repr, self.supports))}]"


def parts_of(support: Support, columns: int) -> tuple[Support, ...]:
    """The supports, side by side, that ``support`` means for events of so many columns."""
    if isinstance(support, Features):
        return support.supports
    return (support,) * (columns // support.columns)
