"""Rows of mixed tables for the commands that take a TableFlow."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from diffeo.errors import DataError, DataWarning
from diffeo.tabular.table import CHUNK_ROWS

if TYPE_CHECKING:
    import pandas as pd

    from diffeo.model import Model
    from diffeo.tabular import Table, TableFlow

__all__ = ["ScoredTable", "located", "parts", "read_rows", "table_flow"]


def read_rows(flow: TableFlow, table: Table, *, partial: bool = False) -> pd.DataFrame:
    """The rows of a file, every cell of the model's columns checked.

    Args:
        flow: whose columns are meant.
        table: the file; a nameless one of the right width takes the model's names.
        partial: allow for columns that are not there.

    Raises:
        DataError: a missing column, or a cell of the wrong kind, named by row and column.
    """
    from diffeo.tabular.columns import to_frame
    from diffeo.tabular.columns.codes import encode_column

    schema = flow.schema
    try:
        frame = to_frame(table.path)
        if not table.named and frame.shape[1] == len(schema.order):
            frame = frame.set_axis(list(schema.order), axis=1)
        schema.encode(frame.iloc[:1], allow_missing_columns=partial)
        for column in schema.columns:
            if column.name in frame.columns:
                encode_column(frame[column.name], column)
    except DataError as error:
        raise located(table, error) from error
    return frame


def located(table: Table, error: DataError) -> DataError:
    """The error with the path of the file in it."""
    path = str(table.path)
    return error if path in str(error) else DataError(f"{path}: {error}")


def parts(frame: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """The frame in pieces of so many rows that their coordinates take little memory."""
    for start in range(0, len(frame), CHUNK_ROWS):
        yield frame.iloc[start : start + CHUNK_ROWS]


def table_flow(model: Model, what: str) -> TableFlow:
    """The model, if it is one of a mixed table.

    Raises:
        DataError: it is not, and cannot do ``what``.
    """
    from diffeo.tabular import TableFlow

    if not isinstance(model, TableFlow):
        raise DataError(
            f"this {type(model).__name__} cannot {what}; fit one that can with "
            f"'diffeo fit --model table'"
        )
    return model


class ScoredTable:
    """The log-likelihoods of the rows of a file, piece by piece.

    Args:
        flow: the model.
        table: the file.

    Attributes:
        frame: its rows.
        outside: how many of those scored so far have density zero.
    """

    def __init__(self, flow: TableFlow, table: Table) -> None:
        self.flow, self.table = flow, table
        self.frame = read_rows(flow, table)
        self.outside = 0
        self._first: tuple[int, pd.DataFrame] | None = None

    def pieces(self) -> Iterator[tuple[pd.DataFrame, np.ndarray[Any, Any]]]:
        """Rows with their log-likelihoods; -inf where a value is outside its column's support."""
        for rows in parts(self.frame):
            log_prob = self.flow.log_prob(rows)
            bad = np.flatnonzero(~np.isfinite(log_prob))
            self.outside += len(bad)
            if len(bad) and self._first is None:
                at = int(bad[0])
                self._first = (int(rows.index[at]), rows.iloc[at : at + 1])
            yield rows, log_prob

    def where_outside(self) -> str:
        """How many rows have density zero, and where the first is."""
        if self._first is None:
            raise ValueError("all rows have a density")
        row, values = self._first
        surprise = self.flow.explain(values)
        column = surprise.columns[int(np.argmax(~np.isfinite(surprise.to_numpy()[0])))]
        rows = "1 row has" if self.outside == 1 else f"{self.outside:,} rows have"
        return (
            f"{self.table.path}: {rows} density 0, the first at {self.table.where(row)}: "
            f"column {column!r} holds {values[column].iloc[0]}, outside its support"
        )

    def warn_of_outside(self) -> None:
        """Say where densities are zero, if any is.

        Warns:
            DataWarning: the first such row and its column.
        """
        if self.outside:
            warnings.warn(f"{self.where_outside()}; log_prob is -inf", DataWarning, stacklevel=2)
