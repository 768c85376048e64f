"""What an any-order density needs to know of each column."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from diffeo.described import Described

__all__ = ["AngleColumn", "ColumnKind", "LevelColumn", "NumberColumn"]


class ColumnKind(Described):
    """One column of an AnyOrderFlow."""

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self._state() == other._state()

    def _state(self) -> dict[str, Any]:
        # not how it was built: what is left out and what is given as its default are the same
        return {name: value for name, value in vars(self).items() if name != "_arguments"}

    def __hash__(self) -> int:
        return hash(type(self))

    def __repr__(self) -> str:
        given = ", ".join(f"{name}={value!r}" for name, value in self.arguments().items())
        return f"{type(self).__name__}({given})"


class NumberColumn(ColumnKind):
    """A column of numbers: a density, or probabilities of the points of a lattice.

    Args:
        step: distance of the values where all of them are whole multiples of it, measured by
            counting; 0 for a continuous column.
        atoms: values that have probabilities of their own, beside the rest.
        low, high: bounds of the lattice, which get the mass beyond them; for a continuous column
            map the bounds away before.

    Raises:
        ValueError: a negative step, or bounds without a step.
    """

    def __init__(
        self,
        step: float = 0.0,
        atoms: Sequence[float] = (),
        low: float = -math.inf,
        high: float = math.inf,
    ) -> None:
        if not 0 <= step < math.inf:
            raise ValueError(f"step must be 0 or positive, got {step!r}")
        if not step and (math.isfinite(low) or math.isfinite(high)):
            raise ValueError("bounds need a step; map those of a continuous column away")
        self.step, self.atoms = float(step), tuple(map(float, atoms))
        self.low, self.high = float(low), float(high)


class LevelColumn(ColumnKind):
    """A column of codes 0, 1, ..., count - 1; the code ``count`` stands for all others.

    Args:
        count: number of codes, at least 1.
        closed: whether the code ``count`` is impossible.

    Raises:
        ValueError: fewer than one code.
    """

    def __init__(self, count: int, closed: bool = False) -> None:
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise ValueError(f"a column needs a whole number of at least 1 levels, got {count!r}")
        self.count, self.closed = count, bool(closed)


class AngleColumn(ColumnKind):
    """A column of angles in [-pi, pi).

    Args:
        step: distance of the values where all of them lie on a lattice, measured by counting; it
            must divide the circle. 0 for a density.

    Raises:
        ValueError: a step that does not divide the circle.
    """

    def __init__(self, step: float = 0.0) -> None:
        turns = 2 * math.pi / step if step else 1.0
        if step < 0 or abs(turns - round(turns)) > 1e-6 * turns:
            raise ValueError(f"step must be 0 or divide 2 pi, got {step!r}")
        self.step = float(step)
