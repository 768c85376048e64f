"""Sequences of symbols, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from diffeo.errors import DataError
from diffeo.models.sequences import OfSymbols
from diffeo.models.sequences.alphabet import Codes

__all__ = ["SymbolData", "as_rows", "for_alphabet"]


@dataclass(frozen=True, eq=False)
class SymbolData:
    """Sequences of whole numbers that stand for symbols, of any lengths.

    Args:
        sequences: one array (n,) a sequence, of numbers from 0 to K - 1; or all as (N, T), with -1
            behind the end of those that are shorter.
        alphabet: names of the K symbols; by default the numbers up to the largest.
        source: where they come from, for messages.

    Raises:
        DataError: no sequences, an empty one, or numbers that no symbol has; the place is named.

    Example:
        >>> from diffeo.sequences import SymbolData
        >>> data = SymbolData([[0, 2, 1], [1, 1]], alphabet="abc")
        >>> len(data), data.lengths.tolist()
        (2, [3, 2])
    """

    sequences: Sequence[Codes] = field(repr=False)
    alphabet: tuple[str, ...] = ()
    source: str = "the sequences"

    def __post_init__(self) -> None:
        found = [_checked(row, i, self.source) for i, row in enumerate(self.sequences)]
        if not found:
            raise DataError(f"{self.source}: there are no sequences")
        largest = max(int(row.max()) for row in found)
        names = tuple(self.alphabet) or tuple(map(str, range(max(largest + 1, 2))))
        if largest >= len(names):
            i = next(i for i, row in enumerate(found) if row.max() >= len(names))
            place = int((found[i] >= len(names)).argmax())
            raise DataError(
                f"{self.source}: sequence {i} holds {found[i][place]} at {place}, but there are "
                f"{len(names)} symbols, numbered from 0"
            )
        object.__setattr__(self, "sequences", tuple(found))
        object.__setattr__(self, "alphabet", names)

    def __len__(self) -> int:
        return len(self.sequences)

    @property
    def lengths(self) -> Codes:
        """(N,), the number of symbols of each sequence."""
        return np.array([len(row) for row in self.sequences])

    def subset(self, indices: Any) -> SymbolData:
        """The sequences at ``indices``: whole numbers, a mask, or a slice.

        Raises:
            IndexError: a sequence that is not there.
        """
        chosen = np.arange(len(self))[indices]
        return replace(self, sequences=[self.sequences[i] for i in chosen])


def _checked(row: Any, i: int, source: str) -> Codes:
    array = np.asarray(row)
    if array.ndim != 1 or array.dtype.kind not in "iuf" or not (array % 1 == 0).all():
        raise DataError(
            f"{source}: sequence {i} must hold whole numbers in one row, got {array.dtype} of "
            f"shape {array.shape}"
        )
    codes = array.astype(np.int64)
    ended = codes < 0
    end = int(ended.argmax()) if ended.any() else len(codes)
    if not (codes[end:] == -1).all():
        place = end + int((codes[end:] != -1).argmax())
        raise DataError(
            f"{source}: sequence {i} holds {codes[place]} at {place}, behind a {codes[end]} at "
            f"{end}; symbols are numbered from 0, and -1 stands only behind the end of a sequence"
        )
    if not end:
        raise DataError(f"{source}: sequence {i} is empty")
    return codes[:end]


def as_rows(sequences: Sequence[Codes], length: int, source: str = "the sequences") -> Tensor:
    """Sequences as events (N, length) of a model; NaN behind the end of those that are shorter.

    Raises:
        DataError: a sequence that is longer.
    """
    rows = np.full((len(sequences), length), np.nan, np.float32)
    for i, row in enumerate(sequences):
        if len(row) > length:
            raise DataError(
                f"{source}: sequence {i} has {len(row)} symbols, but this model takes at most "
                f"{length}"
            )
        rows[i, : len(row)] = np.where(row < 0, np.nan, row)
    return torch.from_numpy(rows)


def for_alphabet(model: OfSymbols, data: SymbolData) -> SymbolData:
    """The same sequences, in the numbers of the model's alphabet.

    Raises:
        DataError: a symbol that the model does not have; its place is named.
    """
    if data.alphabet == model.alphabet:
        return data
    known = {name: k for k, name in enumerate(model.alphabet)}
    numbers = np.array([known.get(name, -1) for name in data.alphabet])
    for i, row in enumerate(data.sequences):
        absent = numbers[row] < 0
        if absent.any():
            place = int(absent.argmax())
            raise DataError(
                f"{data.source}: sequence {i} holds {data.alphabet[row[place]]!r} at {place}, "
                f"which is not one of the {len(model.alphabet)} symbols of this model"
            )
    rows = [numbers[row] for row in data.sequences]
    return replace(data, sequences=rows, alphabet=model.alphabet)
