"""Columns in words, for people who must judge whether they were understood."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from diffeo.tabular.columns.column import Column
from diffeo.tabular.columns.derived import Derived
from diffeo.tabular.table import shortened

__all__ = ["describe"]

_FAR = 2.0  # ranges of the rest by which a single value lies apart when it is a mark


def describe(
    columns: Sequence[Column], derived: Mapping[str, Derived], left_out: Mapping[str, str]
) -> list[dict[str, str]]:
    """One row per column: name, kind, values, missing (share of rows) and a note."""
    rows = [_row(column, _note(column)) for column in columns]
    rows += [_row(rule.column, rule.words()) for rule in derived.values()]
    for name, why in left_out.items():
        note = f"left out: {why}"
        rows.append({"name": name, "kind": "-", "values": "-", "missing": "-", "note": note})
    return rows


def _row(column: Column, note: str) -> dict[str, str]:
    return {
        "name": column.name,
        "kind": column.kind,
        "values": _values(column),
        "missing": f"{column.holes:.1%}" if column.holes else "none",
        "note": note,
    }


def _values(column: Column) -> str:
    if column.discrete:
        return shortened([str(level) for level in column.levels], 6)
    if column.seen is None:
        return "-"
    if column.kind == "datetime":
        low, high = (np.datetime64(round(x), "s") for x in column.seen)
        return f"{low} to {high}"
    return f"{column.seen[0]:.6g} to {column.seen[1]:.6g}"


def _note(column: Column) -> str:
    notes = []
    if column.kind == "circular":
        notes.append(f"period {column.period:g}")
    if column.step and column.kind != "integer":
        step = f"{column.step:.4g}" if column.kind != "datetime" else _duration(column.step)
        notes.append(f"in steps of {step}")
    if column.atoms:
        many = shortened([f"{atom:.6g}" for atom in column.atoms], 4)
        notes.append(f"heaped at {many}")
    if math.isfinite(column.low) and column.kind == "bounded":
        notes.append(f"between {column.low:g} and {column.high:g}")
    notes += [
        f"{value:g} lies far from all others: a mark for missing?" for value in _marks(column)
    ]
    return "; ".join(notes)


def _duration(seconds: float) -> str:
    """Seconds in the largest unit of which they are a whole number."""
    for unit, size in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds % size == 0:
            count = round(seconds / size)
            return f"1 {unit}" if count == 1 else f"{count} {unit}s"
    return f"{seconds:.4g} s"


def _marks(column: Column) -> list[float]:
    """The heaped value at an end of the range that stands for something else, as 999 does."""
    if column.seen is None:
        return []
    low, high = column.seen
    far = _FAR * (high - low)
    return [atom for atom in column.atoms if atom > high + far or atom < low - far]
