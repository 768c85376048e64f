"""Tables as numbers for anomaly detection: an array as it is, a frame by its typed columns."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from diffeo.arrays import Floats, default_names, to_tensor
from diffeo.errors import DataError
from diffeo.tabular.columns import Column, Schema, infer_schema, to_frame

__all__ = ["Encoding", "encoding_of"]

# how far a value may be from the one of all training rows, relatively
SAME = 1e-9


class Encoding(ABC):
    """How rows become numbers.

    Attributes:
        names: of the columns of the table, in its order.
        owner: (D,), for each number the place of its column in ``names``.
        fixed: places of the columns that have no number because the others, or nothing, decide
            them.
    """

    names: list[str]
    owner: npt.NDArray[np.intp]
    fixed: list[int]

    @abstractmethod
    def encode(self, data: Any) -> Floats:
        """Rows as numbers, (rows, D); NaN for holes."""

    @abstractmethod
    def broken(self, data: Any) -> npt.NDArray[np.bool_]:
        """Where a fixed column is not what it was in every training row, (rows, fixed)."""


def encoding_of(data: Any) -> Encoding:
    """What training ``data`` ask for.

    Raises:
        DataError: no rows, no columns, or values that are not numbers in an array.
    """
    plain = isinstance(data, (np.ndarray, list, tuple, Tensor))
    return _Array(_matrix(data)) if plain else _Frame(infer_schema(data))


def _matrix(data: Any) -> Floats:
    double = torch.empty(0, dtype=torch.float64)
    array: Floats = to_tensor(data, double, "X", cast=True).detach().numpy()
    if array.ndim != 2 or not array.size:
        raise DataError(f"expected X of shape (rows, columns), got {array.shape}")
    if np.isinf(array).any():
        row, column = np.argwhere(np.isinf(array))[0]
        raise DataError(f"X is infinite in row {row}, column {column}; NaN marks a missing value")
    return array


class _Array(Encoding):
    def __init__(self, x: Floats) -> None:
        self.names = default_names(x.shape[1], "x")
        empty = np.isnan(x).all(axis=0)
        if empty.any():
            raise DataError(f"column {int(empty.argmax())} of X holds no value")
        self.value, high = np.nanmin(x, axis=0), np.nanmax(x, axis=0)
        varies = high - self.value > SAME * np.abs(self.value)
        self.owner = np.flatnonzero(varies)
        self.fixed = np.flatnonzero(~varies).tolist()
        if not len(self.owner):
            raise DataError(f"all {x.shape[1]} columns of X are constant: nothing is to be learned")

    def encode(self, data: Any) -> Floats:
        return self._checked(data)[:, self.owner]

    def broken(self, data: Any) -> npt.NDArray[np.bool_]:
        x, value = self._checked(data)[:, self.fixed], self.value[self.fixed]
        different: npt.NDArray[np.bool_] = np.abs(x - value) > SAME * np.maximum(1, np.abs(value))
        return different

    def _checked(self, data: Any) -> Floats:
        x = _matrix(data)
        if x.shape[1] != len(self.names):
            raise DataError(
                f"expected X of shape (rows, {len(self.names)}), as in the fit, got {x.shape}"
            )
        return x


class _Frame(Encoding):
    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        modelled = {column.name for column in schema.columns}
        self.names = [n for n in schema.order if n in modelled or n in schema.derived]
        self.fixed = [i for i, name in enumerate(self.names) if name in schema.derived]
        places = [self.names.index(column.name) for column in schema.columns]
        widths = [_width(column) for column in schema.columns]
        self.owner = np.repeat(places, widths)

    def encode(self, data: Any) -> Floats:
        codes = self.schema.encode(data)
        return np.concatenate(
            [_numbers(codes[:, i], column) for i, column in enumerate(self.schema.columns)], axis=1
        )

    def broken(self, data: Any) -> npt.NDArray[np.bool_]:
        frame = to_frame(data)
        found = np.zeros((len(frame), len(self.fixed)), dtype=bool)
        for k, name in enumerate(self.names[i] for i in self.fixed):
            alone = replace(self.schema, derived={name: self.schema.derived[name]})
            found[:, k] = alone.contradictions(frame)
        return found


def _nominal(column: Column) -> bool:
    return column.discrete and not column.ordered and len(column.levels) > 2


def _width(column: Column) -> int:
    if column.kind == "circular":
        return 2
    return len(column.levels) if _nominal(column) else 1


def _numbers(codes: Floats, column: Column) -> Floats:
    """(rows, width): labels as indicators, angles as points on a circle, all else as it is."""
    if column.kind == "circular":
        numbers = np.asarray(column.levels, dtype=float) if column.discrete else None
        value = codes if numbers is None else _looked_up(numbers, codes)
        angle = 2 * math.pi * (value - column.low) / column.period
        return np.stack([np.cos(angle), np.sin(angle)], axis=1)
    if not _nominal(column):
        return codes[:, None]
    indicators = (codes[:, None] == np.arange(len(column.levels))).astype(np.float64)
    return np.where(np.isnan(codes)[:, None], np.nan, indicators)


def _looked_up(numbers: Floats, codes: Floats) -> Floats:
    """Values of codes; NaN for holes and for what was never seen."""
    known = np.append(numbers, np.nan)
    found: Floats = known[np.nan_to_num(codes, nan=len(numbers)).astype(int)]
    return found
