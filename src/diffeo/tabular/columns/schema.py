"""The types of all columns of a table: encoding, decoding, and a description."""

from __future__ import annotations

import difflib
import functools
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from diffeo.arrays import Floats
from diffeo.errors import DataError, DataWarning, import_extra
from diffeo.tabular.columns.codes import decode_column, encode_column
from diffeo.tabular.columns.column import Column
from diffeo.tabular.columns.dependent import find_derived
from diffeo.tabular.columns.derived import Derived
from diffeo.tabular.columns.describing import describe
from diffeo.tabular.columns.frames import to_frame
from diffeo.tabular.columns.inference import RefusedError, infer_column
from diffeo.tabular.columns.overrides import read_overrides
from diffeo.tabular.table import shortened

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Schema", "infer_schema"]


@dataclass(frozen=True)
class Schema:
    """The typed columns of a table, and what is left out of a density over them.

    Args:
        columns: those that a density models, in the order of encoded arrays.
        order: names of all columns of samples, in the order of the table.
        derived: columns that are constant or an exact function of others, by name.
        left_out: columns that are neither modelled nor derived, and why.
        notes: what a reader should know, one sentence each.

    Example:
        >>> from diffeo.tabular.columns import infer_schema
        >>> schema = infer_schema({"age": [40, 31, 28], "city": ["Bern", "Rome", None]})
        >>> schema.encode({"age": [50], "city": ["Rome"]}).tolist()
        [[50.0, 1.0]]
        >>> schema.decode(schema.encode({"age": [50], "city": ["Rome"]})).city.tolist()
        ['Rome']
    """

    columns: tuple[Column, ...]
    order: tuple[str, ...]
    derived: dict[str, Derived] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """Names of the modelled columns."""
        return [column.name for column in self.columns]

    def column(self, name: str) -> Column:
        """The modelled or derived column of that name.

        Raises:
            DataError: there is none.
        """
        for column in (*self.columns, *(rule.column for rule in self.derived.values())):
            if column.name == name:
                return column
        near = difflib.get_close_matches(name, self.order, n=1)
        raise DataError(
            f"no column {name!r}"
            + (f"; did you mean {near[0]!r}?" if near else "")
            + f" (columns: {shortened(self.order)})"
        )

    def encode(
        self, data: Any, strict: bool = False, allow_missing_columns: bool = False
    ) -> Floats:
        """Rows as numbers: levels by code, dates in seconds, NaN for holes.

        Columns are found by name, in any order; others than the modelled ones are not read. A
        level never seen in training gets the code K, one past the last.

        Args:
            data: a table; see ``to_frame``.
            strict: refuse levels never seen and values beyond a column's bounds.
            allow_missing_columns: take a modelled column that is not there as unobserved.

        Returns:
            (rows, columns).

        Raises:
            DataError: a missing column, or a value of the wrong kind, named by row and column.
        """
        frame = to_frame(data)
        missing = [name for name in self.names if name not in frame.columns]
        if missing and not allow_missing_columns:
            near = [n for m in missing for n in difflib.get_close_matches(m, frame.columns, n=1)]
            raise DataError(
                f"the table has no column {' and no '.join(map(repr, missing[:12]))}"
                + (f"; did you mean {' and '.join(map(repr, near))}?" if near else "")
                + f" (its columns: {shortened(list(frame.columns))})"
            )
        codes = np.full((len(frame), len(self.columns)), np.nan)
        for i, column in enumerate(self.columns):
            if column.name in frame.columns:
                codes[:, i] = encode_column(frame[column.name], column, strict)
        return codes

    def decode(self, codes: npt.ArrayLike) -> pd.DataFrame:
        """The table that ``codes`` stand for: names, order, dtypes, rounding, derived columns.

        Args:
            codes: (rows, columns), as from ``encode``; NaN becomes a hole.

        Raises:
            DataError: an array of another width.
        """
        pandas = import_extra("pandas", "tabular")
        array = np.asarray(codes, dtype=np.float64)
        if array.ndim != 2 or array.shape[1] != len(self.columns):
            raise DataError(
                f"expected codes of shape (rows, {len(self.columns)}), got {array.shape}"
            )
        series = {c.name: decode_column(array[:, i], c) for i, c in enumerate(self.columns)}
        for name, rule in self.derived.items():
            series[name] = decode_column(rule.values(array, self.columns), rule.column)
        frame: pd.DataFrame = pandas.DataFrame({name: series[name] for name in self.order})
        return frame

    def contradictions(self, data: Any) -> npt.NDArray[np.bool_]:
        """Which rows break a relation that held in every row of training, (rows,).

        A row counts only where the derived column and all that it depends on are observed.
        """
        frame = to_frame(data)
        codes = self.encode(frame, allow_missing_columns=True)
        broken = np.zeros(len(frame), dtype=bool)
        for name, rule in self.derived.items():
            if name in frame.columns:
                given = encode_column(frame[name], rule.column)
                broken |= rule.breaks(given, codes, self.columns)
        return broken

    def table(self) -> list[dict[str, str]]:
        """One row per column of the table, in words: name, kind, values, missing, note."""
        return describe(self.columns, self.derived, self.left_out)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON: what a model file keeps."""
        return {
            "columns": [column.to_json() for column in self.columns],
            "order": list(self.order),
            "derived": {name: rule.to_json() for name, rule in self.derived.items()},
            "left_out": dict(self.left_out),
            "notes": list(self.notes),
        }

    @classmethod
    def from_json(cls, entries: Mapping[str, Any]) -> Schema:
        """The schema that ``to_json`` described."""
        return cls(
            tuple(Column.from_json(column) for column in entries["columns"]),
            tuple(entries["order"]),
            {name: Derived.from_json(rule) for name, rule in entries["derived"].items()},
            dict(entries["left_out"]),
            tuple(entries["notes"]),
        )


def infer_schema(data: Any, schema: Mapping[str, Any] | Schema | None = None) -> Schema:
    """The types of all columns of a table.

    Args:
        data: a table; see ``to_frame``.
        schema: what is known better about some columns, as in ``{"age": "integer", "angle":
            ("circular", 0, 360), "grade": ("ordinal", ["low", "high"])}``. A column is one of
            ``"real"``, ``"positive"``, ``"integer"``, ``"categorical"``, ``"boolean"``,
            ``"datetime"``, ``("bounded", low, high)``, ``("circular", start, end)``,
            ``("categorical", levels)``, ``("ordinal", levels in order)`` and ``"left out"``.
            A whole ``Schema`` is kept as it is.

    Raises:
        DataError: a column of several kinds, one that contradicts ``schema``, or no column left.

    Warns:
        DataWarning: columns that are left out.
    """
    if isinstance(schema, Schema):
        return schema
    frame = to_frame(data)
    told = read_overrides(schema or {}, list(frame.columns))

    @functools.cache
    def distinct_rows() -> int:
        # in a single column, rows that repeat are all that there is to know
        numbers = frame.select_dtypes("number")
        return int((~numbers.duplicated()).sum()) if numbers.shape[1] > 1 else len(frame)

    typed, left_out = {}, {}
    for name in frame.columns:
        try:
            typed[name] = infer_column(frame[name], told.get(name), distinct_rows)
        except RefusedError as reason:
            left_out[name] = str(reason)
    codes = {name: encode_column(frame[name], column) for name, column in typed.items()}
    derived = find_derived(typed, codes)
    kept = tuple(column for name, column in typed.items() if name not in derived)
    if not kept:
        raise DataError(
            "no column is left to model: "
            + "; ".join([rule.words() for rule in derived.values()])
            + "; ".join(f"{name!r} is left out: {why}" for name, why in left_out.items())
        )
    notes = [f"column {name!r} is left out: {why}" for name, why in left_out.items()]
    unasked = [note for name, note in zip(left_out, notes, strict=True) if name not in told]
    if unasked:
        warnings.warn("; ".join(unasked), DataWarning, stacklevel=2)
    notes += [rule.words() for rule in derived.values()]
    return Schema(kept, tuple(typed), derived, left_out, tuple(notes))
