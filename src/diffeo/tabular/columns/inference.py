"""What a column is, judged by its values or told by the user."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from diffeo.arrays import Floats
from diffeo.errors import DataError, import_extra
from diffeo.tabular.columns.codes import factorized, plain
from diffeo.tabular.columns.column import Column
from diffeo.tabular.columns.lattices import EXACT
from diffeo.tabular.columns.numbers import family, first_bad, is_number, to_numbers
from diffeo.tabular.columns.numeric import infer_numbers
from diffeo.tabular.columns.overrides import LEFT_OUT, Override

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["RefusedError", "infer_column"]

_FEW = 20  # text of so few values is never taken for names


class RefusedError(Exception):
    """A column that says nothing about a row, with the reason in words."""


def infer_column(
    series: pd.Series[Any], told: Override | None, distinct_rows: Callable[[], int]
) -> Column:
    """The type of one column.

    Args:
        series: its values.
        told: what the user says, if anything.
        distinct_rows: how many rows of the whole table differ.

    Raises:
        RefusedError: names, row numbers, no values at all, or a column that the user leaves out.
        DataError: values of several kinds, or that contradict what the user says.
    """
    column = _infer(series, told, distinct_rows)
    return dataclasses.replace(column, holes=float(series.isna().mean()))


def _infer(
    series: pd.Series[Any], told: Override | None, distinct_rows: Callable[[], int]
) -> Column:
    if told is not None and told.kind == LEFT_OUT:
        raise RefusedError("as the schema says")
    found = family(series)
    if found == "empty":
        raise RefusedError("it has no value in any row")
    if told is not None and told.kind in ("categorical", "boolean"):
        return _labels(series, told)
    if found == "mixed":
        raise _mixed(series)
    if found == "text" and told is None:
        _check_text(series)
    if found in ("text", "category", "boolean") and told is None:
        return _labels(series, None)
    wanted = found if found in ("date", "duration") else "number"
    if told is not None and (told.kind == "datetime") != (wanted == "date"):
        wanted = "date" if told.kind == "datetime" else "number"
    values = to_numbers(series, wanted)
    if wanted == "number" and told is None:
        _check_numbers(series, values)
    return infer_numbers(
        values, series, _dtype(series, values, wanted), wanted, told, distinct_rows
    )


def _dtype(series: pd.Series[Any], values: Floats, wanted: str) -> str:
    """The dtype of samples; columns of Python objects and of text get a dtype of their own."""
    pandas = import_extra("pandas", "tabular")
    if series.dtype != object and family(series) in (wanted, "boolean"):
        return str(series.dtype)
    if wanted == "date":
        return str(pandas.to_datetime(series).dtype)
    if wanted == "duration":
        return str(pandas.to_timedelta(series).dtype)
    if not np.array_equal(values, np.rint(values), equal_nan=True):
        return "float64"
    return "Int64" if np.isnan(values).any() else "int64"


def _labels(series: pd.Series[Any], told: Override | None) -> Column:
    """A column of labels."""
    name, missing = str(series.name), bool(series.isna().any())
    dtype, ordered = str(series.dtype), False
    if told is not None and told.levels:
        levels, ordered = told.levels, told.ordered
        _check_levels(series, levels)
    elif dtype == "category":
        levels = tuple(plain(label) for label in series.cat.categories)
        ordered = bool(series.cat.ordered)
    elif family(series) == "boolean":
        levels = (False, True)
    else:
        levels = _sorted_labels(series)
    if told is None and dtype != "category":
        _check_repeats(series, len(levels))
    kind = told.kind if told is not None else "categorical"
    if set(levels) <= {False, True} and family(series) in ("boolean", "number"):
        kind = "boolean"
    elif kind == "boolean" and len(levels) > 2:
        raise DataError(
            f"schema of column {name!r}: 'boolean' has two levels, the data have {len(levels)}: "
            f"{', '.join(map(repr, levels[:5]))}, ..."
        )
    return Column(name, kind, dtype, missing, levels, ordered)


def _sorted_labels(series: pd.Series[Any]) -> tuple[Any, ...]:
    """All labels, numbers by size and words by alphabet."""
    labels = {plain(label) for label in factorized(series)[1]}
    return tuple(sorted(labels, key=lambda x: (isinstance(x, str), x)))


def _check_levels(series: pd.Series[Any], levels: tuple[Any, ...]) -> None:
    where, labels = factorized(series)
    known = {*levels, *map(str, levels)}
    for code, label in enumerate(labels):
        if plain(label) not in known and str(plain(label)) not in known:
            row = int(np.argmax(where == code))
            raise first_bad(series, row, "no level that the schema names", f"one of {levels}")


def _check_repeats(series: pd.Series[Any], levels: int) -> None:
    """Refuse names and identifiers, which say nothing about other rows."""
    rows = int(series.notna().sum())
    if levels > _FEW and levels > rows / 2:
        raise RefusedError(
            f"its text hardly repeats ({levels} values in {rows} rows), as names and identifiers "
            f"do; schema={{{str(series.name)!r}: 'categorical'}} keeps it"
        )


def _check_numbers(series: pd.Series[Any], values: np.ndarray[Any, Any]) -> None:
    """Refuse row numbers, and integers that float64 cannot tell apart."""
    name = str(series.name)
    if len(values) > _FEW and not np.isnan(values).any():
        steps = np.diff(values)
        if np.all(steps == 1) and series.dtype.kind in "iuf" and abs(values[0]) <= 1:
            raise RefusedError(
                f"it counts the rows from {values[0]:g}; schema={{{name!r}: 'integer'}} keeps it"
            )
    if np.nanmax(np.abs(values)) > EXACT and getattr(series.dtype, "kind", "O") in "iuO":
        if series.nunique() > len(series) / 2:
            raise RefusedError("it holds identifiers, integers beyond 2^53 that hardly repeat")
        row = int(np.nanargmax(np.abs(values)))
        raise first_bad(
            series, row, "too large to be told apart as a number",
            f"integers up to 2^53; schema={{{name!r}: 'categorical'}} takes them as codes",
        )  # fmt: skip


def _check_text(series: pd.Series[Any]) -> None:
    """Raise if some cells read as numbers and others do not."""
    where, labels = factorized(series)
    numbers = np.array([is_number(label) for label in labels])
    if numbers.any() and not numbers.all():
        raise _two_kinds(series, numbers[where] & (where >= 0), ~numbers[where] & (where >= 0))


def _mixed(series: pd.Series[Any]) -> DataError:
    filled = series.notna().to_numpy()
    words = np.array([isinstance(value, str) for value in series])
    if (words & filled).any() and (~words & filled).any():
        return _two_kinds(series, ~words & filled, words & filled)
    first = int(np.argmax(filled))
    kind = type(series.iloc[first]).__name__
    other = next((i for i in np.flatnonzero(filled) if type(series.iloc[i]).__name__ != kind), None)
    found = f"a {kind}" + ("" if other is None else
        f", and row {other + 1} a {type(series.iloc[other]).__name__}")  # fmt: skip
    return first_bad(series, first, found, "numbers, text, dates or booleans alone")


def _two_kinds(series: pd.Series[Any], numbers: Any, words: Any) -> DataError:
    """Name the rarer kind first: it is the likelier mistake."""
    kinds = sorted([(int(numbers.sum()), 0, numbers), (int(words.sum()), 1, words)])
    (_, which, rare), (_, _, common) = kinds
    at, there = int(np.argmax(rare)), int(np.argmax(common))
    names = ("a number", "a word")
    name = str(series.name)
    return DataError(
        f"column {name!r} mixes numbers and words: row {at + 1} holds "
        f"{str(series.iloc[at])[:40]!r}, {names[which]}, and row {there + 1} holds "
        f"{str(series.iloc[there])[:40]!r}, {names[1 - which]}; correct the cells or leave them "
        f"empty, or take all as labels with schema={{{name!r}: 'categorical'}}"
    )
