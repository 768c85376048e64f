"""How probable a model finds sequences, and how many bits a symbol takes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from diffeo.arrays import Floats
from diffeo.density import Seed, as_generator
from diffeo.errors import DataError
from diffeo.estimates import mean_and_error
from diffeo.models.sequences import ArgmaxAutoregressive, ArgmaxCoupling
from diffeo.models.sequences.alphabet import Codes
from diffeo.sequences.symbols.data import SymbolData, as_rows, for_alphabet
from diffeo.sequences.symbols.windows import spans

__all__ = ["Bits", "SymbolModel", "bits_per_symbol", "log_probs"]

SymbolModel = ArgmaxAutoregressive | ArgmaxCoupling
# symbols, counted with their draws, that are judged at a time
_AT_ONCE = 16_384


class Bits(NamedTuple):
    """Bits a symbol: their mean, its standard error over windows, and the number of symbols."""

    mean: float
    error: float
    symbols: int


class _Window(NamedTuple):
    """Symbols ``start`` to ``end`` of a sequence, of which those from ``first`` on count."""

    sequence: int
    start: int
    first: int
    end: int


def log_probs(
    model: SymbolModel,
    data: SymbolData,
    *,
    context: int | None = None,
    num_samples: int = 1,
    seed: Seed = 0,
) -> Floats:
    """log p of every sequence in nats, of longer ones than the model's length window by window.

    Args:
        model: the model; of couplings it gives a bound.
        data: the sequences.
        context: symbols before each symbol, at least, in all windows but the first; by default
            half the model's length, and 0 for couplings, which know no conditionals. More is
            closer to the model's best, and slower.
        num_samples: draws of the bound.
        seed: of the draws.

    Returns:
        (N,).

    Raises:
        DataError: a symbol that the model does not have; for couplings, a sequence whose length is
            no multiple of the model's.
        ValueError: a context that is not shorter than the model.

    Example:
        >>> from diffeo.models import ArgmaxAutoregressive
        >>> from diffeo.sequences import SymbolData
        >>> from diffeo.sequences.symbols import log_probs
        >>> model = ArgmaxAutoregressive(4, "ab", dim=8, layers=1)
        >>> log_probs(model, SymbolData([[0, 1], [0, 1, 1, 0, 1]], "ab")).round(3)
        array([-1.386, -3.466])
    """
    total = np.zeros(len(data))
    for window, found in _judged(model, data, context, num_samples, seed):
        total[window.sequence] += found
    return total


def bits_per_symbol(
    model: SymbolModel,
    data: SymbolData,
    *,
    context: int | None = None,
    num_samples: int = 1,
    seed: Seed = 0,
) -> Bits:
    """-log2 p a symbol, with every symbol counted once; for couplings an upper bound.

    Args:
        As ``log_probs``.

    Raises:
        As ``log_probs``.

    Example:
        >>> from diffeo.models import ArgmaxAutoregressive
        >>> from diffeo.sequences import SymbolData, bits_per_symbol
        >>> model = ArgmaxAutoregressive(4, "abcd", dim=8, layers=1)
        >>> bits = bits_per_symbol(model, SymbolData([[0, 3, 2, 1, 0, 0]], "abcd"))
        >>> round(bits.mean, 3), bits.symbols
        (2.0, 6)
    """
    windows = list(_judged(model, data, context, num_samples, seed))
    counts = np.array([window.end - window.first for window, _ in windows])
    bits = -np.array([found for _, found in windows]) / math.log(2)
    # of a ratio, whose denominators hardly differ
    _, error = mean_and_error(bits / counts.mean())
    return Bits(float(bits.sum() / counts.sum()), error, int(counts.sum()))


def _judged(
    model: SymbolModel, data: SymbolData, context: int | None, num_samples: int, seed: Seed
) -> Iterator[tuple[_Window, float]]:
    """Every window and the log-probability of the symbols that count in it."""
    data = for_alphabet(model, data)
    length = model.event_shape[0]
    exact = isinstance(model, ArgmaxAutoregressive)
    context = (length // 2 if exact else 0) if context is None else context
    if not 0 <= context < length:
        raise ValueError(f"context must be from 0 to {length - 1} symbols, got {context!r}")
    if not exact:
        _check_whole(data, length, context)
    generator = as_generator(seed, model.like.device)
    windows = [
        _Window(i, *span) for i, n in enumerate(data.lengths) for span in spans(n, length, context)
    ]
    size = max(1, _AT_ONCE // (length * (1 if exact else num_samples)))
    for first in range(0, len(windows), size):
        batch = windows[first : first + size]
        rows = as_rows([data.sequences[w.sequence][w.start : w.end] for w in batch], length)
        x = rows.to(model.like)
        with torch.no_grad():
            if isinstance(model, ArgmaxAutoregressive):
                found = _counted(model.conditionals(x), batch)
            else:
                found = model.log_prob(x, num_samples=num_samples, seed=generator)
        yield from zip(batch, found.double().tolist(), strict=True)


def _counted(each: Any, batch: Sequence[_Window]) -> Any:
    """The sums over what counts."""
    place = torch.arange(each.shape[1], device=each.device)
    first = torch.tensor([w.first - w.start for w in batch], device=each.device)
    return (each * (place >= first[:, None])).sum(1)


def _check_whole(data: SymbolData, length: int, context: int) -> None:
    if context:
        raise ValueError("couplings know no conditionals: context must be 0")
    for i, found in enumerate(data.lengths.tolist()):
        if found % length:
            raise DataError(
                f"{data.source}: sequence {i} has {found} symbols, but this model of couplings "
                f"takes {length} at a time; cut it to a multiple of {length}"
            )


def whole_windows(codes: Codes, length: int) -> list[Codes]:
    """Windows of a sequence side by side, without the rest that fills none."""
    return [codes[i : i + length] for i in range(0, len(codes) - length + 1, length)]
