"""Columns that are constant or an exact function of others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from diffeo.tabular.columns.codes import level_numbers
from diffeo.tabular.columns.column import Column
from diffeo.tabular.columns.numbers import Floats

__all__ = ["Derived", "find_derived"]


@dataclass(frozen=True)
class Derived:
    """How a column follows from others, in encoded values.

    Args:
        column: its type.
        how: "constant", "lookup" (of the code of one discrete column) or "sum" (a linear
            combination of numeric columns, a copy among them).
        of: the columns that it follows from.
        weights: of a sum, one per column.
        start: of a sum, its intercept; the value of a constant.
        table: of a lookup, the value for every code.
        tolerance: by how much values of training differ from the rule, at most.
    """

    column: Column
    how: str
    of: tuple[str, ...] = ()
    weights: tuple[float, ...] = ()
    start: float = 0.0
    table: tuple[float, ...] = ()
    tolerance: float = 0.0

    def values(self, codes: Floats, columns: Sequence[Column]) -> Floats:
        """Encoded values, (rows,), for encoded rows (rows, columns); NaN where one is missing."""
        if self.how == "constant":
            return np.full(len(codes), self.start)
        names = [column.name for column in columns]
        places = [names.index(name) for name in self.of]
        if self.how == "lookup":
            source = codes[:, places[0]]
            # a level never seen leads nowhere, as a hole does
            known = np.append(np.array(self.table), [np.nan, np.nan])
            return known[np.where(np.isnan(source), -1, source).astype(np.int64)]
        parts = [
            w * as_numbers(codes[:, i], columns[i])
            for w, i in zip(self.weights, places, strict=True)
        ]
        return self._recoded(self.start + np.sum(parts, axis=0))

    def _recoded(self, values: Floats) -> Floats:
        if not self.column.discrete:
            return values
        levels = level_numbers(self.column)
        return np.abs(values[:, None] - levels).argmin(axis=1).astype(np.float64)

    def breaks(
        self, given: Floats, codes: Floats, columns: Sequence[Column]
    ) -> npt.NDArray[np.bool_]:
        """Which rows contradict the rule, (rows,); holes do not."""
        return np.abs(given - self.values(codes, columns)) > self.tolerance

    def words(self) -> str:
        """The rule in words."""
        name = self.column.name
        return f"column {name!r} follows from {self.of}"

    def to_json(self) -> dict[str, Any]:
        """Plain values only."""
        entries = {**vars(self), "column": self.column.to_json()}
        return {k: list(v) if isinstance(v, tuple) else v for k, v in entries.items()}

    @classmethod
    def from_json(cls, entries: Mapping[str, Any]) -> Derived:
        """The rule that ``to_json`` described."""
        listed = {k: tuple(v) if isinstance(v, list) else v for k, v in entries.items()}
        return cls(**{**listed, "column": Column.from_json(entries["column"])})


def as_numbers(codes: Floats, column: Column) -> Floats:
    """Encoded values of a numeric column as the numbers that they stand for."""
    if not column.discrete:
        return codes
    known = np.append(level_numbers(column), [np.nan, np.nan])
    return known[np.where(np.isnan(codes), -1, codes).astype(np.int64)]


def find_derived(columns: Mapping[str, Column], codes: Mapping[str, Floats]) -> dict[str, Derived]:
    derived = {}
    for name, column in columns.items():
        filled = codes[name][~np.isnan(codes[name])]
        if (filled == filled[0]).all():
            derived[name] = Derived(column, "constant", start=float(filled[0]))
    return derived
