"""The type of a column of numbers, dates or durations."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from diffeo.arrays import Floats
from diffeo.tabular.columns.column import Column
from diffeo.tabular.columns.lattices import EXACT, Counts, Lattice, find_atoms, find_lattice
from diffeo.tabular.columns.numbers import first_bad
from diffeo.tabular.columns.overrides import Override

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["infer_numbers"]

# a free mass for every value, where so few values hold so many rows each
_LEVELS = ((20, 10), (64, 100))
_RARE = 0.2  # share of values with one row, above which unseen ones must be expected
_TIED = 0.98  # distinct share below which a lattice is taken for what it is
_HEAPED = 0.9  # the same without a lattice
_WIDE = 1e6  # more places on a lattice than that are as good as a continuum
_SKEWED = 1.0


def infer_numbers(
    values: Floats,
    series: pd.Series[Any],
    dtype: str,
    wanted: str,
    told: Override | None,
    distinct_rows: Callable[[], int],
) -> Column:
    """The type of a column of numbers, dates or durations (both in seconds).

    Args:
        values: with NaN for holes.
        series: where they come from, for the words of errors.
        dtype: of samples.
        wanted: "number", "date" or "duration".
        told: what the user says, if anything.
        distinct_rows: how many rows of the whole table differ.
    """
    name, missing = str(series.name), bool(np.isnan(values).any())
    filled = values[~np.isnan(values)]
    if told is not None and told.kind == "circular":
        filled = told.low + (filled - told.low) % (told.high - told.low)
    distinct, counts = np.unique(filled, return_counts=True)
    if told is None and wanted == "number" and _few(distinct, counts):
        return _leveled(name, dtype, missing, distinct)
    # on a circle, and among dates, no value is a mark or a cap
    plain = wanted == "number" and (told is None or told.kind != "circular")
    atoms = find_atoms(distinct, counts) if plain else np.empty(0)
    if told is not None:
        _check_told(values, series, told, atoms)
    free = ~np.isin(distinct, atoms)
    rest, tied = distinct[free], counts[free]
    lattice, decimals = _lattice(rest, tied, distinct_rows)
    kind = told.kind if told is not None else _kind(rest, tied, lattice, atoms)
    kind = "datetime" if wanted == "date" else kind
    low, high = _bounds(kind, rest, tied, told)
    return Column(
        name,
        kind,
        dtype,
        missing,
        low=low,
        high=high,
        step=lattice.step,
        offset=lattice.offset,
        atoms=tuple(atoms.tolist()),
        decimals=decimals,
        seen=(float(rest[0]), float(rest[-1])) if len(rest) else None,
    )


def _leveled(name: str, dtype: str, missing: bool, distinct: Floats) -> Column:
    kind = "integer" if np.array_equal(distinct, np.rint(distinct)) else "real"
    kind = "boolean" if distinct.tolist() == [0, 1] else kind
    levels = tuple(_shortest(value, dtype) for value in distinct)
    seen = (float(distinct[0]), float(distinct[-1]))
    return Column(name, kind, dtype, missing, levels, ordered=True, seen=seen)


def _few(distinct: Floats, counts: Counts) -> bool:
    """Whether each value can have a mass of its own, and hardly any other is to be expected."""
    rows, values = int(counts.sum()), len(counts)
    if values <= 2:
        return True
    if not any(values <= most and rows >= each * values for most, each in _LEVELS):
        return False
    single = np.count_nonzero(counts == 1)
    return single <= max(2, _RARE * values) or find_lattice(distinct) is None


def _shortest(value: float, dtype: str) -> float | int:
    """A level as it is written; 0.1 in float32 is 0.1."""
    if value.is_integer():
        return int(value)
    return float(str(np.float32(value))) if dtype in ("float32", "Float32") else float(value)


def _lattice(
    distinct: Floats, counts: Counts, distinct_rows: Callable[[], int]
) -> tuple[Lattice, int | None]:
    """The lattice on which values are modelled (step 0: none), and their digits."""
    free = Lattice(0.0)
    rows = int(counts.sum())
    found = find_lattice(distinct)
    # rows that stand there twice say nothing about one column
    tied = len(distinct) < _HEAPED * min(rows, distinct_rows())
    if found is None:
        if len(distinct) < 2 or not tied:
            return free, None
        # heaps without a rule: cells of their resolution still keep every mass below one
        gaps = np.sort(np.diff(distinct))
        cell = float(np.median(gaps[: max(1, len(gaps) // 10)]))
        return Lattice(cell, float(distinct[0])), None
    places = (distinct[-1] - distinct[0]) / found.step
    if places < _WIDE:
        tied = float(found.step).is_integer() or len(distinct) < _TIED * rows
    return (found if tied else free), found.decimals


def _kind(distinct: Floats, counts: Counts, lattice: Lattice, atoms: Floats) -> str:
    both = np.concatenate([distinct, atoms])
    if np.array_equal(both, np.rint(both)) and np.abs(both).max() <= EXACT:
        return "integer"
    if _fills_unit(distinct, lattice, atoms):
        return "bounded"
    least = distinct[0] if len(distinct) else 0.0
    if least > 0 and np.all(atoms >= 0) and _skew(distinct, counts) > _SKEWED:
        logs = np.log(distinct)
        if abs(_skew(logs, counts)) < _skew(distinct, counts):
            return "positive"
    return "real"


def _fills_unit(distinct: Floats, lattice: Lattice, atoms: Floats) -> bool:
    """Whether these are shares: within (0, 1), close to both ends, and free."""
    if lattice.step or len(distinct) < 2 or not set(atoms.tolist()) <= {0.0, 1.0}:
        return False
    return bool(0 < distinct[0] < 0.05 and 0.95 < distinct[-1] < 1)


def _bounds(
    kind: str, distinct: Floats, counts: Counts, told: Override | None
) -> tuple[float, float]:
    if told is not None and told.kind in ("bounded", "circular"):
        return told.low, told.high
    if kind == "bounded":
        return 0.0, 1.0
    counted = kind == "integer" and len(distinct) > 0 and distinct[0] >= 0
    if kind == "positive" or (counted and _skew(distinct, counts) > _SKEWED):
        return 0.0, float("inf")
    return -float("inf"), float("inf")


def _skew(values: Floats, counts: Counts) -> float:
    """Skewness of ``values`` that occur ``counts`` times."""
    rows, largest = float(counts.sum()), float(np.abs(values).max(initial=0.0))
    if largest == 0:
        return 0.0
    values = values / largest  # cubes of large numbers overflow
    centred = values - float(counts @ values) / rows
    variance = float(counts @ centred**2) / rows
    return float(counts @ centred**3) / rows / variance**1.5 if variance > 0 else 0.0


def _check_told(values: Floats, series: pd.Series[Any], told: Override, atoms: Floats) -> None:
    """Raise at the first value that the schema rules out; a heap of zeros is no part of a range."""
    if told.kind == "positive":
        bad = (values <= 0) & ~((values == 0) & (0 in atoms))
        wanted = "a number above 0, as the schema says 'positive'"
    elif told.kind == "bounded":
        bad = (values < told.low) | (values > told.high)
        wanted = f"a number from {told.low:g} to {told.high:g}, as the schema says"
    elif told.kind == "integer":
        bad = (values != np.rint(values)) & ~np.isnan(values)
        wanted = "a whole number, as the schema says 'integer'"
    else:
        return
    if bad.any():
        raise first_bad(series, int(np.argmax(bad)), "against the schema", wanted)
