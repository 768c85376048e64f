"""Frames of mixed columns to files, in chunks of rows that share their types."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diffeo.errors import import_extra
from diffeo.tabular.writing import table_writer

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["frame_writer"]

_DAY = 86_400_000_000  # microseconds


@contextmanager
def frame_writer(path: str | os.PathLike[str]) -> Iterator[Callable[[pd.DataFrame], None]]:
    """A function that appends frames to a CSV or Parquet file; otherwise as ``table_writer``.

    The first frame decides the types. In CSV, dates without a time of day and times of day are
    written as such, as ``to_frame`` reads them.

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
    types: dict[str, Any] = {}
    with table_writer(path) as write:

        def write_frame(frame: pd.DataFrame) -> None:
            columns = {name: _array(frame[name], text) for name in frame.columns}
            for name, column in columns.items():
                columns[name] = column.cast(types.setdefault(name, column.type))
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


def _date(arrow: Any, array: Any) -> Any:
    """Days where there is no time of day, else seconds where there are no parts of them."""
    for kind in (arrow.date32(), arrow.timestamp("s", array.type.tz)):
        try:
            return array.cast(kind)
        except arrow.ArrowInvalid:
            continue
    return array.cast(arrow.timestamp("us", array.type.tz), safe=False)


def _time(arrow: Any, series: pd.Series[Any], array: Any) -> Any:
    """Durations below a day as times of day, others in words of pandas."""
    whole = array.cast(arrow.duration("us"), safe=False).cast(arrow.int64())
    low, high = (f(whole).as_py() for f in _extremes())
    if low is None or (low >= 0 and high < _DAY):
        return whole.cast(arrow.time64("us"))
    return arrow.Array.from_pandas(series.astype(object).map(str, na_action="ignore"))


def _extremes() -> tuple[Any, Any]:
    compute = import_extra("pyarrow.compute", "tabular")
    return compute.min, compute.max
