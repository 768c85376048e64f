"""Tables of mixed columns, from whatever holds them, as one pandas frame."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from diffeo.errors import DataError, import_extra
from diffeo.tabular.files import open_table
from diffeo.tabular.formats import CsvTable
from diffeo.tabular.table import numbered

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["to_frame"]


def to_frame(data: Any) -> pd.DataFrame:
    """A table of mixed columns as a pandas frame with string names and rows counted from 0.

    Args:
        data: a pandas or polars frame, an Arrow table, a mapping from names to columns, an array
            of shape (rows, columns), whose columns are then x0, x1, ..., or the path of a
            .csv, .parquet, .npy or .npz file. In CSV, empty cells and the usual marks (NA, NaN,
            null, ...) are holes, and ISO dates are dates.

    Raises:
        DataError: no rows, no columns, two columns of one name, or something else than a table.
        OSError: the file cannot be read.
        MissingExtraError: pandas or pyarrow is not installed.

    Example:
        >>> from diffeo.tabular.columns import to_frame
        >>> to_frame({"age": [40, 31], "city": ["Bern", None]}).shape
        (2, 2)
    """
    frame = _read(data)
    frame = frame.set_axis([str(name) for name in frame.columns], axis=1)
    twice = frame.columns[frame.columns.duplicated()].unique()
    if len(twice):
        raise DataError(
            f"two columns are called {' and two '.join(map(repr, twice))}; rename one of each"
        )
    if not frame.shape[1] or not len(frame):
        raise DataError(f"the table has {len(frame)} rows and {frame.shape[1]} columns")
    return frame.reset_index(drop=True)


def _read(data: Any) -> pd.DataFrame:
    pandas = import_extra("pandas", "tabular")
    if isinstance(data, pandas.DataFrame):
        return data
    if isinstance(data, pandas.Series):
        return data.to_frame()
    if isinstance(data, (str, os.PathLike)):
        return _from_file(Path(data))
    if hasattr(data, "__arrow_c_stream__"):
        return _from_arrow(import_extra("pyarrow", "tabular").table(data))
    if isinstance(data, Mapping):
        return _from_mapping(data)
    if hasattr(data, "detach"):
        data = data.detach().cpu().numpy()
    if isinstance(data, (np.ndarray, list)):
        return _from_array(np.asarray(data))
    raise DataError(
        f"expected a table (a pandas or polars frame, an Arrow table, a dict of columns, an array "
        f"or the path of a file), got {type(data).__name__}"
    )


def _from_mapping(data: Mapping[Any, Any]) -> pd.DataFrame:
    pandas = import_extra("pandas", "tabular")
    try:
        frame: pd.DataFrame = pandas.DataFrame(dict(data))
    except ValueError as error:
        lengths = {str(name): len(np.atleast_1d(column)) for name, column in data.items()}
        raise DataError(f"the columns do not make a table: {error} (lengths {lengths})") from error
    return frame


def _from_array(array: np.ndarray[Any, Any]) -> pd.DataFrame:
    pandas = import_extra("pandas", "tabular")
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2 or array.dtype.kind not in "fiub":
        raise DataError(
            f"expected an array of numbers of shape (rows, columns), got {array.dtype} values of "
            f"shape {array.shape}; give mixed columns as a frame or a dict of columns"
        )
    frame: pd.DataFrame = pandas.DataFrame(array, columns=numbered("x", array.shape[1]))
    return frame


def _from_file(path: Path) -> pd.DataFrame:
    table = open_table(path)
    # every name once, and none of them blank
    table.positions(table.columns)
    suffix = path.suffix.lower()
    if isinstance(table, CsvTable):
        return _from_csv(table)
    if suffix == ".parquet":
        arrow = import_extra("pyarrow", "tabular")
        try:
            return _from_arrow(import_extra("pyarrow.parquet", "tabular").read_table(path))
        except arrow.ArrowInvalid as error:
            raise DataError(f"{path} is damaged: {error}") from error
    return _from_arrays(path, table.columns)


def _from_arrays(path: Path, names: list[str]) -> pd.DataFrame:
    """The arrays of a file that ``open_table`` has checked, in their own dtypes."""
    pandas = import_extra("pandas", "tabular")
    loaded = np.load(path, allow_pickle=False)
    if isinstance(loaded, np.ndarray):
        arrays = [loaded]
    else:
        first = "X" if "X" in loaded.files else next(k for k in loaded.files if k != "context")
        arrays = [loaded[first]] + [loaded["context"]] * (len(loaded.files) > 1)
    columns = [column for array in arrays for column in array.reshape(len(array), -1).T]
    frame: pd.DataFrame = pandas.DataFrame(dict(zip(names, columns, strict=True)))
    return frame


def _from_csv(table: CsvTable) -> pd.DataFrame:
    arrow = import_extra("pyarrow", "tabular")
    reading = import_extra("pyarrow.csv", "tabular")
    try:
        read = reading.read_csv(
            table.path,
            # a file is never typed by its first block alone, so that a word far down is seen
            read_options=reading.ReadOptions(
                use_threads=False,
                autogenerate_column_names=not table.named,
                block_size=max(1 << 20, min(table.path.stat().st_size + 1, (1 << 31) - 1)),
            ),
            parse_options=reading.ParseOptions(newlines_in_values=True),
            convert_options=reading.ConvertOptions(strings_can_be_null=True),
        )
    except arrow.ArrowInvalid as error:
        raise DataError(f"{table.path} does not parse as CSV: {error}") from error
    return _from_arrow(read.rename_columns(table.columns))


def _from_arrow(table: Any) -> pd.DataFrame:
    """An Arrow table, keeping integers and booleans with holes what they are."""
    arrow = import_extra("pyarrow", "tabular")
    pandas = import_extra("pandas", "tabular")
    names = [str(name) for name in table.column_names]
    series = [_arrow_column(arrow, pandas, column) for column in table.columns]
    frame: pd.DataFrame = pandas.concat(series, axis=1) if series else pandas.DataFrame()
    return frame.set_axis(names, axis=1)


def _arrow_column(arrow: Any, pandas: Any, column: Any) -> Any:
    types, kind = arrow.types, column.type
    if types.is_decimal(kind):
        column = column.cast(arrow.float64())
    elif types.is_time(kind):
        # a time of day is a duration since midnight
        wide = arrow.int64() if types.is_time64(kind) else arrow.int32()
        column = column.cast(wide).cast(arrow.int64()).cast(arrow.duration(kind.unit))
    elif types.is_null(kind):
        column = column.cast(arrow.float64())
    return column.to_pandas(
        date_as_object=False,
        types_mapper=_nullable(arrow, pandas).get if column.null_count else None,
    )


def _nullable(arrow: Any, pandas: Any) -> dict[Any, Any]:
    """Which pandas types hold Arrow's integers and booleans with holes."""
    sizes = (8, 16, 32, 64)
    signed = {getattr(arrow, f"int{n}")(): getattr(pandas, f"Int{n}Dtype")() for n in sizes}
    unsigned = {getattr(arrow, f"uint{n}")(): getattr(pandas, f"UInt{n}Dtype")() for n in sizes}
    return {**signed, **unsigned, arrow.bool_(): pandas.BooleanDtype()}
