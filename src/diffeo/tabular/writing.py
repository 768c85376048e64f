"""Tables to files, in chunks, whole or not at all."""

from __future__ import annotations

import csv
import io
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np

from diffeo.errors import DataError, import_extra
from diffeo.files import replacing

__all__ = ["WRITABLE", "table_writer"]

Columns = Mapping[str, np.ndarray[Any, Any]]


class _Writer(ABC):
    """Writes chunks of equal columns to an open file."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.arrow: Any = None

    @abstractmethod
    def _open(self, schema: Any) -> Any:
        """The writer of pyarrow for a schema, which the first chunk decides."""

    def write(self, columns: Columns) -> None:
        table = import_extra("pyarrow", "cli").table(dict(columns))
        if self.arrow is None:
            self.arrow = self._open(table.schema)
        self.arrow.write_table(table)

    def close(self) -> None:
        if self.arrow is not None:
            self.arrow.close()


class _CsvWriter(_Writer):
    def _open(self, schema: Any) -> Any:
        module = import_extra("pyarrow.csv", "cli")
        header = io.StringIO()
        csv.writer(header, lineterminator="\n").writerow(schema.names)
        # pyarrow would put every name in quotes
        self.file.write(header.getvalue().encode())
        options = module.WriteOptions(include_header=False)
        return module.CSVWriter(self.file, schema, write_options=options)


class _ParquetWriter(_Writer):
    def _open(self, schema: Any) -> Any:
        return import_extra("pyarrow.parquet", "cli").ParquetWriter(self.file, schema)


_WRITERS: dict[str, type[_Writer]] = {".csv": _CsvWriter, ".parquet": _ParquetWriter}
WRITABLE = tuple(_WRITERS)


@contextmanager
def table_writer(path: str | os.PathLike[str]) -> Iterator[Callable[[Columns], None]]:
    """A function that appends columns to a CSV or Parquet file, which appears when all went well.

    Numbers are written so that reading gives the same ones back.

    Raises:
        DataError: a suffix other than .csv and .parquet.
        OSError: the file cannot be written; what stood at ``path`` then stays.

    Example:
        >>> import pathlib, tempfile, numpy as np
        >>> from diffeo.tabular import table_writer
        >>> path = pathlib.Path(tempfile.mkdtemp(), "t.csv")
        >>> with table_writer(path) as write:
        ...     write({"a": np.array([0.1, 2.0])})
        >>> path.read_text()
        'a\\n0.1\\n2\\n'
    """
    kind = _WRITERS.get(Path(path).suffix.lower())
    if kind is None:
        raise DataError(f"{path}: tables are written to {' and '.join(WRITABLE)} files only")
    with replacing(path) as temporary, open(temporary, "wb") as file:
        writer = kind(file)
        try:
            yield writer.write
            writer.close()
        finally:
            # after a failure the file is thrown away, and closing it may fail again
            with suppress(Exception):
                writer.close()
        file.flush()
        os.fsync(file.fileno())
