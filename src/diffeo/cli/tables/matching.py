"""Which columns of a table a model means, and its rows as arrays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from diffeo.errors import ContextError, DataError
from diffeo.tabular import Table
from diffeo.tabular.table import CHUNK_ROWS, numbered

if TYPE_CHECKING:
    from diffeo.model import Model

__all__ = ["Matched", "Rows", "check_support", "match", "match_context", "model_columns"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Rows:
    """Rows of a table from row ``first`` on: x (rows, features), context (rows, width)."""

    x: Array
    context: Array | None
    first: int


@dataclass(frozen=True)
class Matched:
    """Columns of a table that take the parts of a model's features and context.

    Attributes:
        table: the table.
        features, context: names in the table, in the order of the model.
        names: what to call them, features first.
    """

    table: Table
    features: list[str]
    context: list[str]
    names: list[str]

    def rows(self, rows: int = CHUNK_ROWS) -> Iterator[Rows]:
        """The rows in chunks.

        Raises:
            DataError: a value that is not a finite number, or no rows.
        """
        width = len(self.features)
        for frame in self.table.chunks(self.features + self.context, rows):
            values = frame.to_numpy()
            context = values[:, width:] if self.context else None
            yield Rows(values[:, :width], context, int(frame.index[0]))

    def columns(self, rows: Rows) -> dict[str, Array]:
        """Rows as columns by name, features first."""
        parts = [rows.x] if rows.context is None else [rows.x, rows.context]
        return dict(zip(self.names, np.concatenate(parts, axis=1).T, strict=True))


def model_columns(model: Model) -> tuple[list[str], list[str]]:
    """Names of a model's features and context; x0, ... and c0, ... where it knows none.

    Raises:
        DataError: a model of events that are not rows of a table.
    """
    if len(model.event_shape) != 1:
        raise DataError(f"the model has events of shape {model.event_shape}, not rows of a table")
    data = model.record.get("data", {})
    features = data.get("columns") or numbered("x", model.event_shape[0])
    context = data.get("context_columns") or numbered("c", model.context)
    return list(features), list(context)


def _unnamed(names: list[str], letter: str) -> bool:
    return names == numbered(letter, len(names))


def match(model: Model, table: Table) -> Matched:
    """The model's columns in a table: by name, or by position where one side has no names.

    Raises:
        DataError: columns are missing, or their number is wrong.
    """
    features, context = model_columns(model)
    wanted = features + context
    if all(name in table.columns for name in wanted):
        return Matched(table, features, context, wanted)
    by_position = not table.named or _unnamed(features, "x")
    if by_position and len(table.columns) == len(wanted):
        names = wanted if not table.named else table.columns
        width = len(features)
        return Matched(table, table.columns[:width], table.columns[width:], names)
    raise _mismatch(table, wanted, by_position)


def match_context(model: Model, table: Table) -> Matched:
    """The model's context columns in a table, otherwise as ``match``; without features.

    Raises:
        ContextError: the model takes no context.
        DataError: columns are missing, or their number is wrong.
    """
    _, context = model_columns(model)
    if not context:
        raise ContextError("the model is not conditional; leave out --context")
    if all(name in table.columns for name in context):
        return Matched(table, context, [], context)
    found = table.context_columns or table.columns
    by_position = not table.named or _unnamed(context, "c")
    if by_position and len(found) == len(context):
        return Matched(table, found, [], context if not table.named else found)
    raise _mismatch(table, context, by_position)


def _mismatch(table: Table, wanted: list[str], by_position: bool) -> DataError:
    if by_position:
        return DataError(
            f"{table.path} has {len(table.columns)} columns, but the model needs "
            f"{len(wanted)} in this order: {', '.join(wanted)}"
        )
    missing = [name for name in wanted if name not in table.columns]
    return DataError(f"{table.lacks(missing)}; the model needs {', '.join(wanted)}")


def check_support(model: Model, matched: Matched, rows: Rows, *, inside: bool = False) -> None:
    """Raise unless the model can have a density at every event.

    Args:
        model: whose support counts.
        matched: names the columns and words the place.
        rows: the events.
        inside: refuse bounds of intervals too, which a fit cannot use.

    Raises:
        DataError: naming row and column of the first value outside.
    """
    import torch

    from diffeo.training.data import together

    x = torch.tensor(rows.x, dtype=model.like.dtype)
    bad = ~model.support.contains(x)
    if inside:
        bad |= model.support.on_bound(x)
    if not bool(bad.any()):
        return
    row, column = (int(i) for i in bad.nonzero()[0])
    value = rows.x[row, column]
    reason = (
        f"outside {'or on the bound of ' if inside else ''}the model's support {model.support!r}"
        f"{together(model.support, (row, column), matched.features)}"
        if bool(x[row, column].isfinite())
        else f"too large for {str(x.dtype).removeprefix('torch.')}"
    )
    raise DataError(
        f"{matched.table.path}: {matched.table.where(rows.first + row)}, "
        f"column {matched.features[column]!r} holds {value:g}, {reason}; correct it or drop the row"
    )
