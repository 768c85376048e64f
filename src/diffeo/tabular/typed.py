"""A table in the coordinates of its typed columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from diffeo.arrays import Floats
from diffeo.described import Described
from diffeo.errors import DataError
from diffeo.tabular.any_order import ColumnKind
from diffeo.tabular.columns import Schema, infer_schema, to_frame
from diffeo.tabular.coordinates import Coordinate, find_coordinate

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TypedColumns", "typed_columns"]


class TypedColumns(Described):
    """A schema, and the coordinates in which its columns are modelled.

    Args:
        schema: as ``Schema.to_json`` gives it.
        coordinates: as ``Coordinate.to_json`` gives them, one for each modelled column.
        kinds: what a density must know of each coordinate.
    """

    def __init__(
        self,
        schema: Mapping[str, Any],
        coordinates: Sequence[Mapping[str, Any]],
        kinds: Sequence[ColumnKind],
    ) -> None:
        self.schema = Schema.from_json(schema)
        self.coordinates = tuple(Coordinate.from_json(each) for each in coordinates)
        self.kinds = tuple(kinds)

    def encode(
        self, data: Any, *, partial: bool = False, strict: bool = False
    ) -> tuple[Floats, Floats]:
        """Coordinates (rows, columns), NaN in holes, and the log-slopes of their maps.

        Args:
            data: a table.
            partial: take columns that are not there as unobserved.
            strict: refuse levels never seen and values beyond a column's bounds.

        Raises:
            DataError: a missing column, or a value of the wrong kind.
        """
        codes = self.schema.encode(data, strict, allow_missing_columns=partial)
        pairs = [c.forward(codes[:, i]) for i, c in enumerate(self.coordinates)]
        return np.stack([p[0] for p in pairs], 1), np.stack([p[1] for p in pairs], 1)

    def encode_given(self, given: Mapping[str, Any]) -> Floats:
        """Coordinates (1, columns) of the values given; NaN where none is.

        Raises:
            DataError: no value, a column that is not modelled, or a value that it cannot have.
        """
        unknown = [name for name in given if name not in self.schema.names]
        if unknown:
            self.schema.column(unknown[0])  # raises where no column has that name
            raise DataError(
                f"given: {unknown[0]!r} is an exact function of other columns "
                f"({self.schema.derived[unknown[0]].words()}); give those"
            )
        values = {name: [value] for name, value in given.items() if value is not None}
        if not values:
            raise DataError("given: no value; leave it out to draw whole rows")
        return self.encode(values, partial=True, strict=True)[0]

    def refuse_empty(self, coordinates: Floats) -> None:
        """Raise where a column has no value in any row.

        Raises:
            DataError: naming the column.
        """
        for name, column in zip(self.schema.names, coordinates.T, strict=True):
            if np.isnan(column).all():
                raise DataError(f"column {name!r} is all missing; drop it")

    def decode(self, coordinates: Floats) -> pd.DataFrame:
        """The table with these coordinates (rows, columns)."""
        wide = coordinates.astype(np.float64)
        values = [c.inverse(wide[:, i]) for i, c in enumerate(self.coordinates)]
        return self.schema.decode(np.stack(values, 1))


def typed_columns(data: Any, schema: Mapping[str, Any] | Schema | None) -> TypedColumns:
    """The typed columns of a table, with coordinates set by its values.

    Raises:
        DataError: see ``infer_schema``.
    """
    frame = to_frame(data)
    found = infer_schema(frame, schema)
    codes = found.encode(frame)
    pairs = [find_coordinate(column, codes[:, i]) for i, column in enumerate(found.columns)]
    return TypedColumns(found.to_json(), [p[0].to_json() for p in pairs], [p[1] for p in pairs])
