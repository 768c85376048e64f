"""What every file with a table has in common."""

from __future__ import annotations

import difflib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from diffeo.errors import DataError, import_extra

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CHUNK_ROWS", "Block", "Table", "numbered", "shortened", "shortened_text"]

CHUNK_ROWS = 65_536

Block = np.ndarray[Any, Any]  # (rows, columns), float64


def numbered(letter: str, count: int) -> list[str]:
    """Names of columns that have none: x0, x1, ..."""
    return [f"{letter}{i}" for i in range(count)]


def shortened(names: Sequence[str], most: int = 12) -> str:
    """Names in a row, with an end to them."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def shortened_text(text: str, most: int = 40) -> str:
    """A cell in quotes, with an end to it."""
    return repr(text if len(text) <= most else text[:most] + "...")


class Table(ABC):
    """A file with a table of numbers, read in chunks.

    Args:
        path: the file.

    Attributes:
        columns: names of all columns.
        context_columns: those of them that the file itself marks as context.
        named: whether the names come from the file, or are only x0, x1, ...
    """

    columns: list[str]
    context_columns: list[str]
    named: bool

    def __init__(self, path: Path) -> None:
        self.path = path
        self.context_columns = []
        self.named = True

    @abstractmethod
    def _blocks(self, positions: list[int], rows: int) -> Iterator[Block]:
        """The columns at ``positions``, in blocks of at most ``rows`` rows."""

    def where(self, row: int) -> str:
        """Row ``row`` (from 0) in words that a person can look up (from 1)."""
        return f"row {row + 1}"

    def _holds(self, row: int, position: int, value: float) -> str:
        """What a cell that is not a finite number holds, in words."""
        return "is empty or NaN" if np.isnan(value) else f"holds {value}"

    def chunks(
        self, columns: Sequence[str] | None = None, rows: int = CHUNK_ROWS
    ) -> Iterator[pd.DataFrame]:
        """Frames of ``columns``; see ``iter_table``."""
        pandas = import_extra("pandas", "cli")
        names = self.columns if columns is None else list(columns)
        positions = self.positions(names)
        first = 0
        for block in self._blocks(positions, rows):
            self._check_finite(block, positions, first)
            index = pandas.RangeIndex(first, first + len(block))
            yield pandas.DataFrame(block, columns=names, index=index, copy=False)
            first += len(block)
        if first == 0:
            raise DataError(f"{self.path} has no rows")

    def frame(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """The whole table; see ``read_table``."""
        pandas = import_extra("pandas", "cli")
        frame: pd.DataFrame = pandas.concat(self.chunks(columns))
        return frame

    def positions(self, names: Sequence[str]) -> list[int]:
        """Where columns stand in the file.

        Raises:
            DataError: a column that is missing, nameless, or there twice.
        """
        missing = [name for name in names if name not in self.columns]
        if missing:
            raise DataError(self.lacks(missing))
        for name in names:
            if not name.strip():
                raise DataError(
                    f"{self.path}: column {self.columns.index(name) + 1} has no name (a saved "
                    f"index?); name it, or choose the columns to read"
                )
            if self.columns.count(name) > 1:
                raise DataError(f"{self.path}: two columns are called {name!r}; rename one")
        return [self.columns.index(name) for name in names]

    def lacks(self, missing: Sequence[str]) -> str:
        """That columns are missing, in words, with the nearest names."""
        near = [n for m in missing for n in difflib.get_close_matches(m, self.columns, n=1)]
        return (
            f"{self.path} has no column {' and no '.join(map(repr, missing))}"
            + (f"; did you mean {' and '.join(map(repr, near))}?" if near else "")
            + f" (its columns: {shortened(self.columns)})"
        )

    def _check_finite(self, block: Block, positions: list[int], first: int) -> None:
        bad = ~np.isfinite(block)
        if bad.any():
            row, column = (int(i) for i in np.argwhere(bad)[0])
            holds = self._holds(first + row, positions[column], float(block[row, column]))
            raise self.bad_cell(first + row, positions[column], holds)

    def bad_cell(self, row: int, position: int, holds: str) -> DataError:
        return DataError(
            f"{self.path}: {self.where(row)}, column {self.columns[position]!r} {holds}; every "
            f"value must be a finite number: correct it, drop the row, or leave the column out"
        )
