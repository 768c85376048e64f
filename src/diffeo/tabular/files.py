"""Tables from files, by suffix."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from diffeo.errors import DataError
from diffeo.tabular.formats import ArrayTable, CsvTable, ParquetTable
from diffeo.tabular.table import CHUNK_ROWS, Table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["READABLE", "iter_table", "open_table", "read_table"]

_FORMATS: dict[str, type[Table]] = {
    ".csv": CsvTable,
    ".parquet": ParquetTable,
    ".npy": ArrayTable,
    ".npz": ArrayTable,
}
READABLE = tuple(_FORMATS)


def open_table(path: str | os.PathLike[str]) -> Table:
    """The table in a file; its columns are known, its rows are read later, in chunks.

    CSV: comma-separated UTF-8. A first row of numbers alone means that there is no header; the
    columns are then x0, x1, ... as those of .npy and .npz. An .npz file holds the array ``X`` or
    one array alone, and may hold ``context``, whose columns are c0, c1, ...

    Raises:
        DataError: a file of another kind, an empty or a damaged one.
        OSError: the file cannot be read.
        MissingExtraError: pandas or pyarrow is not installed.
    """
    target = Path(path)
    kind = _FORMATS.get(target.suffix.lower())
    if kind is None:
        raise DataError(f"{target}: tables are read from {', '.join(READABLE)} files only")
    # the formats' own libraries word these errors in many ways
    with open(target, "rb") as file:
        if not file.read(1):
            raise DataError(f"{target} is empty")
    return kind(target)


def iter_table(
    path: str | os.PathLike[str],
    columns: Sequence[str] | None = None,
    chunk_rows: int = CHUNK_ROWS,
) -> Iterator[pd.DataFrame]:
    """Frames of at most ``chunk_rows`` rows, of float64, whose index counts the rows from 0.

    Args:
        path: the file.
        columns: which columns, in this order; by default all.
        chunk_rows: rows a frame at most.

    Raises:
        DataError: no rows, a missing column, or a value that is not a finite number (row and
            column are named; rows are counted from 1 there).
        OSError: the file cannot be read.

    Example:
        >>> import pathlib, tempfile
        >>> from diffeo.tabular import iter_table
        >>> path = pathlib.Path(tempfile.mkdtemp(), "t.csv")
        >>> _ = path.write_text("a,b\\n1,2\\n3,4\\n5,6\\n")
        >>> [len(frame) for frame in iter_table(path, ["b"], chunk_rows=2)]
        [2, 1]
    """
    yield from open_table(path).chunks(columns, chunk_rows)


def read_table(path: str | os.PathLike[str], columns: Sequence[str] | None = None) -> pd.DataFrame:
    """The whole table as one frame; otherwise as ``iter_table``."""
    return open_table(path).frame(columns)
