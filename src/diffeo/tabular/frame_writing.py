"""Frames of mixed columns to files, in chunks of rows that share their types."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diffeo.errors import DataError, import_extra
from diffeo.tabular.writing import table_writer

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["frame_writer"]

_DAY = 86_400_000_000  # microseconds


@contextmanager
def frame_writer(
    path: str | os.PathLike[str], like: pd.DataFrame | None = None
) -> Iterator[Callable[[pd.DataFrame], None]]:
    """A function that appends frames to a CSV or Parquet file; otherwise as ``table_writer``.

    In CSV, dates without a time of day and times of day are written as such, as ``to_frame`` reads
    them.

    Args:
        path: the file.
        like: decides the types of its columns; those of others follow from the first frame.

    Raises:
        As ``table_writer``.

    Example:
        >>> import pathlib, tempfile, pandas as pd
        >>> from diffeo.tabular.frame_writing import frame_writer
        >>> path = pathlib.Path(tempfile.mkdtemp(), "t.csv")
        >>> with frame_writer(path) as write:
        ...     write(pd.DataFrame({"day": pd.to_datetime(["2024-02-29"]), "n": [3]}))
        >>> path.read_text()
        'day,n\\n2024-02-29,3\\n'
    """
    text = Path(path).suffix.lower() == ".csv"
    types = {} if like is None else {name: _array(like[name], text).type for name in like.columns}
    with table_writer(path) as write:

        def write_frame(frame: pd.DataFrame) -> None:
            columns = {name: _array(frame[name], text) for name in frame.columns}
            for name, column in columns.items():
                types.setdefault(name, column.type)
                if column.type != types[name]:
                    columns[name] = _cast(frame[name], column, types[name])
            write(columns)

        yield write_frame


def _array(series: pd.Series[Any], text: bool) -> Any:
    """The Arrow array of a column."""
    arrow = import_extra("pyarrow", "tabular")
    try:
        array = arrow.Array.from_pandas(series)
    except (arrow.ArrowInvalid, arrow.ArrowTypeError):
        # labels of several kinds
        array = arrow.Array.from_pandas(series.astype(object).map(str, na_action="ignore"))
    if not text:
        return array
    if arrow.types.is_timestamp(array.type):
        return _date(arrow, array)
    if arrow.types.is_duration(array.type):
        return _time(arrow, series, array)
    return array


def _cast(series: pd.Series[Any], column: Any, kind: Any) -> Any:
    """The column in another type; labels of a later frame may need to become text."""
    arrow = import_extra("pyarrow", "tabular")
    if arrow.types.is_string(kind):
        return arrow.Array.from_pandas(
            series.astype(object).map(str, na_action="ignore"), type=kind
        )
    found = column.cast(kind)
    if arrow.types.is_temporal(kind) and not found.cast(column.type).equals(column):
        # Arrow drops the time of day in silence
        raise DataError(
            f"column {series.name!r} holds times of day, and earlier rows days alone; write Parquet"
        )
    return found


def _date(arrow: Any, array: Any) -> Any:
    """Days where there is no time of day, else seconds where there are no parts of them."""
    zone = array.type.tz
    for kind in (arrow.date32(), arrow.timestamp("s", zone)):
        if zone is not None and kind == arrow.date32():
            continue
        shorter = array.cast(kind, safe=False)
        if shorter.cast(array.type).equals(array):
            return shorter
    return array.cast(arrow.timestamp("us", zone), safe=False)


def _time(arrow: Any, series: pd.Series[Any], array: Any) -> Any:
    """Durations below a day as times of day, others in words of pandas."""
    compute = import_extra("pyarrow.compute", "tabular")
    whole = array.cast(arrow.duration("us"), safe=False).cast(arrow.int64())
    low, high = compute.min(whole).as_py(), compute.max(whole).as_py()
    if low is None or (low >= 0 and high < _DAY):
        clock = whole.cast(arrow.time64("us"))
        seconds = clock.cast(arrow.time32("s"), safe=False)
        return seconds if seconds.cast(clock.type).equals(clock) else clock
    return arrow.Array.from_pandas(series.astype(object).map(str, na_action="ignore"))
