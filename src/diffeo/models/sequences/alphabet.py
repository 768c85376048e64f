"""Symbols and the whole numbers that stand for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from diffeo.errors import DataError, ShapeError

__all__ = ["Codes", "OfSymbols", "encoded", "named"]

Codes: TypeAlias = npt.NDArray[np.int64]


class OfSymbols:
    """A model of sequences of symbols that have names.

    Attributes:
        alphabet: the names; a symbol is the number of its name.
    """

    alphabet: tuple[str, ...]

    def codes_of(
        self, symbols: str | Sequence[str], *, hole: str | None = None, source: str = "the text"
    ) -> Codes:
        """Symbols as whole numbers.

        Args:
            symbols: a text, or names one after another.
            hole: what stands for a symbol that is unknown; it becomes -1.
            source: where the symbols come from, for messages.

        Raises:
            DataError: a symbol outside the alphabet; its place is named.
        """
        return encoded(symbols, self.alphabet, hole=hole, source=source)

    def names_of(self, codes: Codes) -> list[str]:
        """The names of whole numbers (n,), up to the first -1, which ends a sequence."""
        ended = np.flatnonzero(codes < 0)
        end = ended[0] if len(ended) else len(codes)
        return [self.alphabet[code] for code in codes[:end]]


def encoded(
    symbols: str | Sequence[str],
    alphabet: Sequence[str],
    *,
    hole: str | None = None,
    source: str = "the text",
) -> Codes:
    """Symbols as their numbers in an alphabet; see ``OfSymbols.codes_of``.

    Raises:
        DataError: a symbol outside the alphabet; its place is named.
    """
    numbers = {name: i for i, name in enumerate(alphabet)}
    if hole is not None:
        numbers[hole] = -1
    found = [numbers.get(symbol) for symbol in symbols]
    if None in found:
        i = found.index(None)
        raise DataError(
            f"{source} holds {symbols[i]!r} at {_place(symbols, i)}, which is not one of the "
            f"{len(alphabet)} symbols of this model: {shown(alphabet)}"
        )
    return np.array(found, dtype=np.int64)


def named(symbols: int | Sequence[str]) -> tuple[str, ...]:
    """Names of symbols, or of so many of them their numbers.

    Raises:
        ShapeError: fewer than two, or one twice.
    """
    names = tuple(map(str, range(symbols) if isinstance(symbols, int) else symbols))
    if len(names) < 2 or len(set(names)) < len(names):
        raise ShapeError(f"an alphabet needs at least 2 symbols, each once, got {symbols!r}")
    return names


def shown(alphabet: Sequence[str]) -> str:
    """An alphabet in a message."""
    names = " ".join(name if name.strip() else repr(name) for name in alphabet[:100])
    return names + " ..." * (len(alphabet) > 100)


def _place(symbols: str | Sequence[str], i: int) -> str:
    if not isinstance(symbols, str) or "\n" not in symbols:
        return f"position {i}"
    before = symbols[:i]
    line = before.count("\n") + 1
    return f"line {line}, column {i - before.rfind(chr(10))}"
