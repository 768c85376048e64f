"""One column to float64 codes, and back to its dtype."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from diffeo.arrays import Floats
from diffeo.errors import import_extra
from diffeo.tabular.columns.column import Column, Label
from diffeo.tabular.columns.numbers import first_bad, to_numbers
from diffeo.tabular.table import shortened

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "decode_column",
    "encode_column",
    "factorized",
    "level_numbers",
    "plain",
    "snap",
    "wanted_family",
]

# levels that are numbers are told apart to this relative distance, so that float32 meets float64
_SAME = 1e-6


def wanted_family(column: Column) -> str:
    """Which values the column is made of."""
    if column.kind == "datetime":
        return "date"
    return "duration" if column.dtype.startswith(("timedelta", "duration")) else "number"


def encode_column(series: pd.Series[Any], column: Column, strict: bool = False) -> Floats:
    """Codes of levels, or numbers; NaN where there is a hole.

    Args:
        series: the values.
        column: what they are.
        strict: refuse levels never seen and values beyond the bounds.

    Raises:
        DataError: a value of another family, or, where strict, one that cannot occur.
    """
    if column.kind in ("categorical", "boolean"):
        codes = _label_codes(series, column)
    else:
        codes = to_numbers(series, wanted_family(column))
        if column.discrete:
            codes = _nearest_codes(codes, level_numbers(column))
        elif column.kind == "circular":
            codes = column.low + (codes - column.low) % column.period
        for atom in column.atoms:
            # the same value may come in another precision; pandas' arrays may be read-only
            codes = np.where(codes == float(np.float32(atom)), atom, codes)
    if strict:
        _check_possible(series, column, codes)
    return codes


def decode_column(codes: Floats, column: Column) -> pd.Series[Any]:
    """Values in the column's dtype; NaN, and codes of unseen levels, become holes (None in object
    columns, the nullable dtype in those of integers and booleans)."""
    pandas = import_extra("pandas", "tabular")
    if column.discrete:
        whole = np.where(np.isnan(codes), -1, codes).astype(np.int64)
        whole[whole >= len(column.levels)] = -1
        if column.dtype == "category":
            # the index in two steps: pandas cannot build one of mixed labels by itself
            kinds = pandas.Index(list(column.levels))
            taken = pandas.Categorical.from_codes(whole, kinds, ordered=column.ordered)
            return pandas.Series(taken, name=column.name)
        if column.kind in ("categorical", "boolean"):
            labels = np.array([*column.levels, None], dtype=object)[whole]
            return _typed(pandas.Series(labels, name=column.name, dtype=object), column.dtype)
        values = np.append(level_numbers(column), np.nan)[whole]
    else:
        values = snap(codes, column)
    if wanted_family(column) != "number":
        return _moments(values, column)
    return _typed(pandas.Series(values, name=column.name), column.dtype)


def snap(values: Floats, column: Column) -> Floats:
    """Numbers as the column writes them: on its lattice, to its decimals, within its bounds."""
    snapped = values
    # a lattice without decimals is one only to a fraction of its step: observed values stay
    if column.step and column.decimals is not None:
        snapped = column.offset + np.rint((values - column.offset) / column.step) * column.step
    if column.decimals is not None:
        snapped = np.round(snapped, column.decimals)
    if column.kind == "circular":
        return column.low + (snapped - column.low) % column.period
    snapped = np.clip(snapped, column.low, column.high)
    return np.where(np.isin(values, column.atoms), values, snapped) if column.atoms else snapped


def level_numbers(column: Column) -> Floats:
    """The levels of a column of few numbers."""
    return np.array(column.levels, dtype=np.float64)


def plain(label: Any) -> Label:
    """A label as JSON has it."""
    if isinstance(label, np.generic):
        label = label.item()
    return label if isinstance(label, (str, bool, int, float)) else str(label)


def factorized(series: pd.Series[Any]) -> tuple[npt.NDArray[np.intp], list[Any]]:
    """Which label each row holds (-1: none), and the labels in the order of their rows.

    Raises:
        DataError: a value that cannot be a label, such as a list.
    """
    pandas = import_extra("pandas", "tabular")
    try:
        where, labels = pandas.factorize(series)
    except TypeError as error:
        row = next(i for i, value in enumerate(series) if not isinstance(value, Hashable))
        found = f"a {type(series.iloc[row]).__name__}"
        raise first_bad(series, row, found, "a single value") from error
    return where, list(labels)


def _label_codes(series: pd.Series[Any], column: Column) -> Floats:
    where, labels = factorized(series)
    known = {level: code for code, level in enumerate(column.levels)}
    unseen = len(column.levels)
    of_label = [_code(plain(label), known, unseen) for label in labels]
    return np.array([*of_label, np.nan])[where]


def _code(label: Label, known: dict[Label, int], unseen: int) -> int:
    """The code of a label; a 1 read from a file also meets the label "1", and back."""
    if label in known:
        return known[label]
    if isinstance(label, str):
        try:
            return known.get(float(label), unseen)
        except ValueError:
            return unseen
    whole = isinstance(label, float) and label.is_integer()
    return known.get(str(int(label) if whole else label), unseen)


def _nearest_codes(values: Floats, levels: Floats) -> Floats:
    """Codes of sorted or unsorted numeric levels; those of no level get K."""
    order = np.argsort(levels)
    ranked = levels[order]
    right = np.searchsorted(ranked, values).clip(0, len(levels) - 1)
    left = (right - 1).clip(0)
    nearest = np.where(np.abs(values - ranked[left]) < np.abs(values - ranked[right]), left, right)
    close = np.abs(values - ranked[nearest]) <= _SAME * np.abs(ranked[nearest])
    codes = np.where(close, order[nearest], len(levels)).astype(np.float64)
    codes[np.isnan(values)] = np.nan
    return codes


def _check_possible(series: pd.Series[Any], column: Column, codes: Floats) -> None:
    if column.discrete:
        bad = codes == len(column.levels)
        wanted = f"one of {shortened([repr(level) for level in column.levels])}"
    else:
        low = codes <= column.low if column.kind == "positive" else codes < column.low
        bad = (low | (codes > column.high)) & ~np.isin(codes, column.atoms)
        wanted = f"a value from {column.low:g} to {column.high:g}"
        if column.kind == "positive":
            wanted = f"a value above {column.low:g}"
    if bad.any():
        raise first_bad(series, int(np.argmax(bad)), "impossible here", wanted)


def _moments(values: Floats, column: Column) -> pd.Series[Any]:
    """Seconds as dates or durations."""
    pandas = import_extra("pandas", "tabular")
    code = "M8[us]" if column.kind == "datetime" else "m8[us]"
    holes = np.isnan(values)
    # what dates in nanoseconds can hold, or at most what microseconds can
    most = 9e9 if "[ns" in column.dtype else 9e12
    whole = np.rint(np.where(holes, 0, values.clip(-most, most)) * 1e6).astype(np.int64).view(code)
    whole[holes] = "NaT"
    series = pandas.Series(whole, name=column.name)
    if column.dtype == "object" or series.dtype == column.dtype:
        return series
    if ", " in column.dtype:
        series = series.dt.tz_localize("UTC")
    return series.astype(column.dtype)


def _typed(series: pd.Series[Any], dtype: str) -> pd.Series[Any]:
    """``series`` in ``dtype``; integers and booleans with holes in the nullable one."""
    pandas = import_extra("pandas", "tabular")
    if dtype == "object":
        return series.astype(object).where(series.notna(), None)
    known = pandas.api.types.pandas_dtype(dtype)
    kind = getattr(known, "kind", "O")
    if kind in "iu":
        size = known.numpy_dtype if hasattr(known, "numpy_dtype") else known
        bounds = np.iinfo(size)
        # the largest int64 is no float64
        most = min(float(bounds.max), np.nextafter(2.0**63, 0))
        series = series.astype(np.float64).round().clip(float(bounds.min), most)
    if series.hasnans and kind in "iub":
        nullable = {"i": f"Int{dtype[3:]}", "u": f"UInt{dtype[4:]}", "b": "boolean"}[kind]
        dtype = nullable if isinstance(known, np.dtype) else dtype
        return series.astype(object).where(series.notna(), pandas.NA).astype(dtype)
    return series.astype(dtype)
