"""How a column that is an exact function of others is computed and described."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from diffeo.arrays import Floats
from diffeo.tabular.columns.codes import decode_column, level_numbers, plain
from diffeo.tabular.columns.column import Column

__all__ = ["Derived", "as_numbers", "look_up"]

_SINGLE = 1e-6  # relative rounding of numbers that were in single precision once
_TERMS = 6  # of a sum that is written out


@dataclass(frozen=True)
class Derived:
    """How a column follows from others, in encoded values.

    Args:
        column: its type.
        how: "constant", "copy", "lookup" (of the code of one discrete column) or "sum" (a linear
            combination of numeric columns).
        of: the columns that it follows from.
        weights: of a sum, one per column.
        start: of a sum, its intercept; the value of a constant.
        table: of a lookup, the value for every code, None where training shows none.
        tolerance: by how much values of training differ from the rule at most, for rounding.
    """

    column: Column
    how: str
    of: tuple[str, ...] = ()
    weights: tuple[float, ...] = ()
    start: float = 0.0
    table: tuple[float | None, ...] = ()
    tolerance: float = 0.0

    def values(self, codes: Floats, columns: Sequence[Column]) -> Floats:
        """Encoded values, (rows,), for encoded rows (rows, columns); NaN where one is missing."""
        if self.how == "constant":
            return np.full(len(codes), self.start)
        places = [[column.name for column in columns].index(name) for name in self.of]
        if self.how == "copy":
            return codes[:, places[0]]
        if self.how == "lookup":
            return look_up(np.array(self.table, dtype=np.float64), codes[:, places[0]])
        total = np.full(len(codes), self.start)
        for weight, i in zip(self.weights, places, strict=True):
            total += weight * as_numbers(codes[:, i], columns[i])
        return self._recoded(total)

    def _recoded(self, values: Floats) -> Floats:
        """Numbers as codes of the nearest level, where the column has levels."""
        if not self.column.discrete:
            return values
        far = np.abs(values[:, None] - level_numbers(self.column))
        return np.where(np.isnan(values), np.nan, far.argmin(axis=1))

    def breaks(
        self, given: Floats, codes: Floats, columns: Sequence[Column]
    ) -> npt.NDArray[np.bool_]:
        """Which rows contradict the rule, (rows,); holes do not, nor does single precision."""
        expected = self.values(codes, columns)
        slack = 0.0 if self.column.discrete or self.column.kind == "datetime" else _SINGLE
        off: npt.NDArray[np.bool_] = np.abs(given - expected) > (
            self.tolerance + slack * np.abs(expected)
        )
        return off

    def words(self) -> str:
        """The rule in words."""
        name = repr(self.column.name)
        if self.how == "constant":
            value = decode_column(np.array([self.start]), self.column).iloc[0]
            return f"column {name} is constant ({plain(value)!r})"
        if self.how == "lookup":
            return f"column {name} is known from {self.of[0]!r}, value by value"
        if self.how == "copy" or (self.weights == (1.0,) and self.start == 0):
            return f"column {name} is a copy of {self.of[0]!r}"
        if len(self.of) > _TERMS:
            return f"column {name} is a linear combination of {len(self.of)} other columns"
        terms = [_term(w, repr(of)) for w, of in zip(self.weights, self.of, strict=True)]
        terms += [f"{'-' if self.start < 0 else '+'} {abs(self.start):.6g}"] if self.start else []
        return f"column {name} equals {' '.join(terms).removeprefix('+ ')}"

    def to_json(self) -> dict[str, Any]:
        """Plain values only."""
        entries = {**vars(self), "column": self.column.to_json()}
        return {k: list(v) if isinstance(v, tuple) else v for k, v in entries.items()}

    @classmethod
    def from_json(cls, entries: Mapping[str, Any]) -> Derived:
        """The rule that ``to_json`` described."""
        return cls(
            Column.from_json(entries["column"]),
            str(entries["how"]),
            tuple(entries["of"]),
            tuple(entries["weights"]),
            float(entries["start"]),
            tuple(entries["table"]),
            float(entries["tolerance"]),
        )


def as_numbers(codes: Floats, column: Column) -> Floats:
    """Encoded values of a numeric column as the numbers that they stand for."""
    return look_up(level_numbers(column), codes) if column.discrete else codes


def look_up(table: Floats, codes: Floats) -> Floats:
    """``table`` at ``codes``; NaN for holes and for codes past its end."""
    known = np.append(table, np.nan)
    inside = np.where(np.isnan(codes), len(table), codes)
    found: Floats = known[np.minimum(inside, len(table)).astype(np.int64)]
    return found


def _term(weight: float, name: str) -> str:
    sign = "-" if weight < 0 else "+"
    size = "" if abs(weight) == 1 else f"{abs(weight):.6g} * "
    return f"{sign} {size}{name}"
