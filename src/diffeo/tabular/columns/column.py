"""What one column of a table is: its kind, its values and how it is written."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["KINDS", "Column", "Label"]

Label = str | int | float | bool

KINDS = (
    "real",
    "positive",
    "bounded",
    "circular",
    "integer",
    "categorical",
    "boolean",
    "datetime",
)


@dataclass(frozen=True)
class Column:
    """The type of one column.

    A column with ``levels`` is discrete: it is encoded as the code of its level, 0..K-1, and as
    K where a row holds a value never seen in training. Every other column is encoded as its
    number; dates as seconds since 1970 (UTC), durations as seconds.

    Args:
        name: as in the table.
        kind: one of ``KINDS``.
        dtype: pandas dtype in which samples are given back.
        missing: whether training data had holes here.
        levels: what the codes stand for.
        ordered: whether the levels have an order (those that are numbers do).
        low: lower bound, or start of the period.
        high: upper bound, or end of the period of a circular column.
        step: greater than 0 where all values lie on ``offset + k * step``: integers, rounded
            measurements, dates. Their probability is a mass, not a density. Where ``decimals`` is
            None, a value lies in the cell of width ``step`` around such a point.
        offset: see ``step``.
        atoms: single values that carry mass in a column of otherwise many values (zeros, caps).
        decimals: digits after the point with which values are written, where they are known.
        holes: share of the rows of training that have no value here.
        seen: least and largest number of training besides the atoms; None for labels.
    """

    name: str
    kind: str
    dtype: str
    missing: bool = False
    levels: tuple[Label, ...] = ()
    ordered: bool = False
    low: float = -math.inf
    high: float = math.inf
    step: float = 0.0
    offset: float = 0.0
    atoms: tuple[float, ...] = ()
    decimals: int | None = None
    holes: float = 0.0
    seen: tuple[float, float] | None = None

    @property
    def discrete(self) -> bool:
        """Whether the column is encoded as codes of levels."""
        return bool(self.levels)

    @property
    def period(self) -> float:
        """After how much a circular column comes back."""
        return self.high - self.low

    def to_json(self) -> dict[str, Any]:
        """Plain values only; bounds at infinity are left out, for JSON has none."""
        entries = asdict(self)
        entries["levels"], entries["atoms"] = list(self.levels), list(self.atoms)
        entries["seen"] = None if self.seen is None else list(self.seen)
        return {
            name: value
            for name, value in entries.items()
            if not (isinstance(value, float) and math.isinf(value))
        }

    @classmethod
    def from_json(cls, entries: dict[str, Any]) -> Column:
        """The column that ``to_json`` described."""
        listed = {name: tuple(entries[name]) for name in ("levels", "atoms")}
        seen = None if entries["seen"] is None else tuple(entries["seen"])
        return cls(**{**entries, **listed, "seen": seen})
