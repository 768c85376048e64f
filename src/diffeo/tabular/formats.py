"""One class for each kind of file that holds a table."""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from diffeo.errors import DataError, import_extra
from diffeo.tabular.table import Block, Table, numbered, shortened_text

__all__ = ["ArrayTable", "CsvTable", "ParquetTable"]

_CSV_BLOCK_BYTES = 4 << 20


class CsvTable(Table):
    """A comma-separated file in UTF-8, with or without a header."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        try:
            line, first = next(self._rows())
        except StopIteration:
            raise DataError(f"{path} is empty") from None
        self._check_separator(first)
        self.named = not _is_data(first)
        self.columns = [cell.strip() for cell in first] if self.named else numbered("x", len(first))
        self._blank_lines = line - 1 - sum(cell.count("\n") for cell in first)

    def _check_separator(self, first: list[str]) -> None:
        for separator in (";", "\t"):
            if len(first) == 1 and separator in first[0]:
                raise DataError(
                    f"{self.path}: values seem to be separated by {separator!r}; save the table "
                    f"with commas between values and points in decimals"
                )

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        """Line number and cells of every row that is not blank."""
        try:
            with open(self.path, newline="", encoding="utf-8-sig") as file:
                reader = csv.reader(file)
                for row in reader:
                    if row:
                        yield reader.line_num, row
        except UnicodeDecodeError as error:
            raise DataError(
                f"{self.path} is not text in UTF-8 ({error.reason}); save it as CSV in UTF-8"
            ) from error
        except csv.Error as error:
            raise DataError(f"{self.path} is not a CSV file: {error}") from error

    def _data_rows(self) -> Iterator[tuple[int, list[str]]]:
        rows = self._rows()
        if self.named:
            next(rows)
        return rows

    def _blocks(self, positions: list[int], rows: int) -> Iterator[Block]:
        pyarrow = import_extra("pyarrow", "cli")
        try:
            for batch in self._reader(positions):
                for start in range(0, batch.num_rows, rows):
                    yield _to_block(batch.slice(start, rows))
        except pyarrow.ArrowInvalid as error:
            raise self._explained(error, positions) from error

    def _reader(self, positions: list[int]) -> Any:
        arrow = import_extra("pyarrow", "cli")
        reading = import_extra("pyarrow.csv", "cli")
        # numbers for names: a file may use one name twice
        chosen = [str(position) for position in positions]
        return reading.open_csv(
            self.path,
            read_options=reading.ReadOptions(
                column_names=[str(i) for i in range(len(self.columns))],
                skip_rows=self._blank_lines,
                skip_rows_after_names=int(self.named),
                block_size=_CSV_BLOCK_BYTES,
                use_threads=False,
            ),
            parse_options=reading.ParseOptions(newlines_in_values=True),
            convert_options=reading.ConvertOptions(
                include_columns=chosen, column_types=dict.fromkeys(chosen, arrow.float64())
            ),
        )

    def _explained(self, error: Exception, positions: list[int]) -> DataError:
        """The first row that does not parse, found by reading again."""
        for row, (_, cells) in enumerate(self._data_rows()):
            if len(cells) != len(self.columns):
                return DataError(
                    f"{self.path}: {self.where(row)} has {len(cells)} values, "
                    f"but there are {len(self.columns)} columns"
                )
            for position in positions:
                cell = cells[position].strip()
                if cell and not _is_number(cell):
                    return self.bad_cell(row, position, f"holds {shortened_text(cell)}")
        return DataError(f"{self.path} does not parse as CSV: {error}")

    def where(self, row: int) -> str:
        return f"row {row + 1} (line {self._at(row)[0]})"

    def _holds(self, row: int, position: int, value: float) -> str:
        text = self._at(row)[1][position].strip()
        return f"holds {shortened_text(text)}" if text else "is empty"

    def _at(self, row: int) -> tuple[int, list[str]]:
        return next(found for i, found in enumerate(self._data_rows()) if i == row)


class ParquetTable(Table):
    """A Parquet file."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        with self._open() as file:
            self.columns = list(file.schema_arrow.names)

    def _open(self) -> Any:
        arrow = import_extra("pyarrow", "cli")
        try:
            return import_extra("pyarrow.parquet", "cli").ParquetFile(self.path)
        except arrow.ArrowInvalid as error:
            raise DataError(f"{self.path} is not a whole Parquet file: {error}") from error

    def _blocks(self, positions: list[int], rows: int) -> Iterator[Block]:
        arrow = import_extra("pyarrow", "cli")
        names = [self.columns[position] for position in positions]
        with self._open() as file:
            self._check_types(file, positions)
            try:
                for batch in file.iter_batches(batch_size=rows, columns=names):
                    yield _to_block(batch.select(names))
            except (arrow.ArrowInvalid, OSError) as error:
                raise DataError(f"{self.path} is damaged: {error}") from error

    def _check_types(self, file: Any, positions: list[int]) -> None:
        types = import_extra("pyarrow", "cli").types
        numeric = (types.is_integer, types.is_floating, types.is_boolean, types.is_decimal)
        for position in positions:
            found = file.schema_arrow.field(position).type
            if not any(test(found) for test in numeric):
                raise self.bad_cell(0, position, f"has the type {found}")


class ArrayTable(Table):
    """A numpy array in .npy, or one or two in .npz."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.named = False
        arrays = self._load()
        self._arrays = [_two_axes(array, path) for array in arrays.values()]
        x, *context = self._arrays
        self.columns = numbered("x", x.shape[1])
        if context:
            self.context_columns = numbered("c", context[0].shape[1])
            self.columns = self.columns + self.context_columns
            if len(context[0]) != len(x):
                raise DataError(
                    f"{path}: 'context' has {len(context[0])} rows, the data have {len(x)}"
                )

    def _load(self) -> dict[str, Block]:
        """The data first, then the context if there is one."""
        try:
            if self.path.suffix.lower() == ".npy":
                return {"X": np.lib.format.open_memmap(self.path, mode="r")}
            with open(self.path, "rb") as file:
                loaded = np.load(file, allow_pickle=False)
                return _chosen(self.path, {name: loaded[name] for name in loaded.files})
        except DataError:
            raise
        except (ValueError, EOFError, OSError, AttributeError, zipfile.BadZipFile) as error:
            raise DataError(
                f"{self.path} is damaged, or not a plain array of numbers (objects and pickles "
                f"are never loaded)"
            ) from error

    def _blocks(self, positions: list[int], rows: int) -> Iterator[Block]:
        joined = [(array, i) for array in self._arrays for i in range(array.shape[1])]
        for start in range(0, len(self._arrays[0]), rows):
            chosen = [joined[p][0][start : start + rows, joined[p][1]] for p in positions]
            yield np.stack([c.astype(np.float64) for c in chosen], axis=1)


def _is_number(text: str) -> bool:
    try:
        float(text.replace("_", "?"))
    except ValueError:
        return False
    return True


def _is_data(cells: list[str]) -> bool:
    """Whether a first row is a row of numbers, not a header."""
    filled = [cell for cell in cells if cell.strip()]
    return bool(filled) and all(map(_is_number, filled))


def _to_block(batch: Any) -> Block:
    """A batch of Arrow columns as one array; an empty cell becomes NaN."""
    double = import_extra("pyarrow", "cli").float64()
    columns = (column.cast(double, safe=False) for column in batch.columns)
    return np.stack([column.to_numpy(zero_copy_only=False) for column in columns], axis=1)


def _chosen(path: Path, arrays: dict[str, Block]) -> dict[str, Block]:
    """The data of an .npz file, and its context where it has one."""
    context = {"context": arrays.pop("context")} if len(arrays) > 1 and "context" in arrays else {}
    if "X" not in arrays and len(arrays) != 1:
        raise DataError(
            f"{path} holds the arrays {', '.join(arrays) or 'none'}; name the one with the data "
            f"'X' (and the one with the context, if any, 'context')"
        )
    data = arrays["X"] if "X" in arrays else next(iter(arrays.values()))
    return {"X": data, **context}


def _two_axes(array: Block, path: Path) -> Block:
    if array.dtype.kind not in "fiub":
        raise DataError(f"{path} holds {array.dtype} values; they must be real numbers")
    if array.ndim == 1:
        return array[:, None]
    if array.ndim != 2 or not array.shape[1]:
        raise DataError(f"{path} holds an array of shape {array.shape}, not (rows, columns)")
    return array
