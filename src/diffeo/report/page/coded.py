"""Columns of frames as numbers: codes for labels, seconds for dates, NaN for holes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from diffeo.errors import DataError, import_extra
from diffeo.report.page.content import Array, ColumnLike

if TYPE_CHECKING:
    from pandas import DataFrame, Series

__all__ = ["LABELLED", "Coded", "code"]

# kinds whose values are labels without an order
LABELLED = {"categorical", "boolean"}


@dataclass(frozen=True)
class Coded:
    """Frames of the same columns as float64.

    Attributes:
        columns: what they are.
        labels: of the codes 0, 1, ... of each column; empty for numbers and dates.
        tables: one (rows, columns) for each frame.
        dates: (columns,), where numbers are seconds since 1970.
    """

    columns: tuple[ColumnLike, ...]
    labels: tuple[tuple[str, ...], ...]
    tables: tuple[Array, ...]
    dates: Array

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.columns]

    @property
    def discrete(self) -> Array:
        """(columns,), where the table holds codes of labels."""
        return np.array([bool(labels) for labels in self.labels], dtype=bool)


def code(columns: Sequence[ColumnLike], *frames: DataFrame) -> Coded:
    """``frames`` as numbers; the codes of labels are the same in all of them.

    Raises:
        DataError: a column of numbers that holds something else.
    """
    labels, tables, dates = [], [], []
    for column in columns:
        series = [frame[column.name] for frame in frames]
        names = _labels(column, series)
        dates.append(not names and _is_date(series[0]))
        labels.append(names)
        tables.append([_codes(s, names) if names else _numbers(s, column.name) for s in series])
    stacked = tuple(
        np.stack([table[i] for table in tables], axis=1) if tables else np.empty((len(frame), 0))
        for i, frame in enumerate(frames)
    )
    return Coded(tuple(columns), tuple(labels), stacked, np.array(dates, dtype=bool))


def _labels(column: ColumnLike, series: Sequence[Series]) -> tuple[str, ...]:
    """Those of the column, then whatever else the frames hold."""
    if not (column.levels or column.kind in LABELLED or any(map(_is_text, series))):
        return ()
    labels = [_label(level) for level in column.levels]
    seen = {_label(value) for s in series for value in s.dropna().unique()}
    # a column without any value still has one label, so that it counts as labelled
    return tuple(dict.fromkeys([*labels, *sorted(seen - set(labels))])) or ("(none)",)


def _label(value: Any) -> str:
    # a whole number may come back as a float where its column has holes
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value)


def _is_text(series: Series) -> bool:
    types = import_extra("pandas.api.types", "tabular")
    return not (
        types.is_numeric_dtype(series)
        or types.is_datetime64_any_dtype(series)
        or types.is_timedelta64_dtype(series)
    )


def _is_date(series: Series) -> bool:
    types = import_extra("pandas.api.types", "tabular")
    return bool(types.is_datetime64_any_dtype(series))


def _codes(series: Series, labels: tuple[str, ...]) -> Array:
    where = {label: float(i) for i, label in enumerate(labels)}
    codes = {value: where[_label(value)] for value in series.dropna().unique()}
    coded = series.astype(object).map(codes)
    return np.asarray(coded.to_numpy(dtype=np.float64, na_value=np.nan))


def _numbers(series: Series, name: str) -> Array:
    types = import_extra("pandas.api.types", "tabular")
    if types.is_datetime64_any_dtype(series):
        utc = import_extra("pandas", "tabular").to_datetime(series, utc=True)
        whole = utc.dt.tz_localize(None).to_numpy().astype("datetime64[us]")
        seconds = whole.astype(np.int64) / 1e6
        return np.where(np.isnat(whole), np.nan, seconds)
    if types.is_timedelta64_dtype(series):
        return np.asarray(series.dt.total_seconds().to_numpy(dtype=np.float64))
    values = np.asarray(series.to_numpy(dtype=np.float64, na_value=np.nan))
    if np.isinf(values).any():
        row = int(np.isinf(values).argmax())
        raise DataError(f"column {name!r} holds {values[row]} in row {row}; drop it or correct it")
    return values
