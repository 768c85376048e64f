"""Series of a frame as float64: numbers as they are, dates and durations as seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from diffeo.arrays import Floats
from diffeo.errors import DataError, import_extra
from diffeo.tabular.table import shortened_text

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["check_finite", "family", "first_bad", "is_number", "seconds", "to_numbers"]

# what pandas finds in a column of Python objects, and what that is here
_INFERRED = {
    "string": "text",
    "boolean": "boolean",
    "integer": "number",
    "floating": "number",
    "decimal": "number",
    "mixed-integer-float": "number",
    "date": "date",
    "datetime": "date",
    "datetime64": "date",
    "timedelta": "duration",
    "timedelta64": "duration",
    "empty": "empty",
}


def family(series: pd.Series[Any]) -> str:
    """What the values are: number, boolean, date, duration, text, category, empty or mixed."""
    types = import_extra("pandas", "tabular").api.types
    dtype = series.dtype
    if str(dtype) == "category":
        return "category" if series.notna().any() else "empty"
    if not series.notna().any():
        return "empty"
    if types.is_bool_dtype(dtype):
        return "boolean"
    if types.is_complex_dtype(dtype):
        return "mixed"
    if types.is_numeric_dtype(dtype):
        return "number"
    if types.is_datetime64_any_dtype(dtype):
        return "date"
    if types.is_timedelta64_dtype(dtype):
        return "duration"
    return _INFERRED.get(types.infer_dtype(series, skipna=True), "mixed")


def to_numbers(series: pd.Series[Any], wanted: str = "number") -> Floats:
    """Values as float64, holes as NaN.

    Args:
        series: any column; text is read as numbers or dates.
        wanted: "number", "date" or "duration".

    Raises:
        DataError: the first value that is none, named by row and column.
    """
    pandas = import_extra("pandas", "tabular")
    found = family(series)
    if found == "empty":
        return np.full(len(series), np.nan)
    if found == "category":
        series = series.astype(series.cat.categories.dtype)
        found = family(series)
    if found == "text" or found == "mixed":
        return _parsed(series, wanted)
    if {"boolean": "number"}.get(found, found) != wanted:
        row = int(np.flatnonzero(series.notna())[0])
        raise first_bad(series, row, f"a {found} (dtype {series.dtype})", f"a {wanted}")
    if found in ("date", "duration"):
        return seconds(series, found)
    if series.dtype == object:
        series = pandas.to_numeric(series.astype("Float64"))
    return check_finite(series.to_numpy(dtype=np.float64, na_value=np.nan), str(series.name))


def seconds(series: pd.Series[Any], found: str) -> Floats:
    """Dates as seconds since 1970 (UTC), durations as seconds; kept to microseconds."""
    pandas = import_extra("pandas", "tabular")
    if series.dtype == object:
        convert = pandas.to_datetime if found == "date" else pandas.to_timedelta
        series = convert(series)
    elif not isinstance(series.dtype, (np.dtype, pandas.DatetimeTZDtype)):
        series = series.astype("datetime64[us]" if found == "date" else "timedelta64[us]")
    if isinstance(series.dtype, pandas.DatetimeTZDtype):
        series = series.dt.tz_convert("UTC").dt.tz_localize(None)
    values = series.to_numpy()
    code = "M8[us]" if found == "date" else "m8[us]"
    whole = values.astype(code).astype(np.int64)
    return np.where(np.isnat(values), np.nan, whole / 1e6)


def check_finite(values: Floats, name: str) -> Floats:
    """``values``, if none is infinite.

    Raises:
        DataError: the first that is, named by row and column.
    """
    bad = np.isinf(values)
    if bad.any():
        row = int(np.argmax(bad))
        raise DataError(
            f"row {row + 1}, column {name!r} holds {values[row]}; numbers must be finite, and "
            f"unknown ones empty (NaN)"
        )
    return values


def is_number(text: object) -> bool:
    """Whether a cell reads as a finite number."""
    try:
        return bool(np.isfinite(float(str(text).replace("_", "?"))))
    except ValueError:
        return False


def first_bad(series: pd.Series[Any], row: int, found: str, wanted: str) -> DataError:
    """An error that names a cell, counting rows from 1."""
    return DataError(
        f"row {row + 1}, column {str(series.name)!r} holds {shortened_text(str(series.iloc[row]))},"
        f" which is {found}; expected {wanted}"
    )


def _parsed(series: pd.Series[Any], wanted: str) -> Floats:
    """Text as numbers or dates."""
    pandas = import_extra("pandas", "tabular")
    if wanted == "number":
        read = pandas.to_numeric(series.astype(object), errors="coerce")
    elif wanted == "date":
        read = pandas.to_datetime(series, errors="coerce", format="ISO8601")
    else:
        read = pandas.to_timedelta(series, errors="coerce")
    bad = (read.isna() & series.notna()).to_numpy()
    if bad.any():
        raise first_bad(series, int(np.argmax(bad)), "text", f"a {wanted}")
    return to_numbers(read.rename(series.name), wanted)
