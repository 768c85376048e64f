"""Symbols that are missing, drawn given those around them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from diffeo.density import Seed, as_generator
from diffeo.errors import DataError
from diffeo.model import Model
from diffeo.models.sequences import ArgmaxAutoregressive
from diffeo.models.sequences.alphabet import Codes

__all__ = ["filled", "of_any_order"]


def filled(
    model: ArgmaxAutoregressive,
    codes: Codes,
    *,
    count: int = 1,
    temperature: float = 1.0,
    seed: Seed = None,
) -> Codes:
    """A sequence of any length with its holes drawn, several times.

    One that is longer than the model is filled in windows that overlap by half: what one has
    filled is given to the next. Where more is given further on, what a window drew near its end
    is drawn again by the next, which sees more of that.

    Args:
        model: the model; holes with given symbols behind them want one trained with
            ``any_order`` > 0.
        codes: (L,) or (count, L), -1 where symbols are wanted.
        count: how many times.
        temperature: as ``ArgmaxAutoregressive.sample``.
        seed: of the draws.

    Returns:
        (count, L).

    Raises:
        DataError: numbers that are no symbols; the place is named.
        ValueError: a temperature that is not a finite number >= 0.

    Example:
        >>> import numpy as np
        >>> from diffeo.models import ArgmaxAutoregressive
        >>> from diffeo.sequences.symbols import filled
        >>> model = ArgmaxAutoregressive(4, 3, dim=8, layers=1)
        >>> filled(model, np.array([2, -1, 1, -1, -1, 0, -1]), count=5, seed=0).shape
        (5, 7)
    """
    _check(model, codes)
    length = model.event_shape[0]
    state = np.array(np.broadcast_to(codes, (count, codes.shape[-1])), dtype=np.int64)
    wanted = (state < 0).any(0)
    generator = as_generator(seed, model.like.device)
    hop = _hop(model)
    start = 0
    while (state < 0).any():
        open_places = np.flatnonzero((state < 0).any(0))
        # on the grid of hops, with something before the first hole
        start = max(start, int(max(open_places[0] - hop // 2, 0)) // hop * hop)
        end = min(start + length, state.shape[1])
        kept = _kept(start, end, state.shape[1], wanted, hop)
        given = np.full((count, length), np.nan, np.float32)
        part = state[:, start:end]
        given[:, : end - start] = np.where(part < 0, np.nan, part)
        x = model.sample(
            given=torch.from_numpy(given).to(model.like), temperature=temperature, seed=generator
        )
        drawn = x[:, : kept - start].cpu().numpy().astype(np.int64)
        state[:, start:kept] = drawn
        start += hop
    return state


def _kept(start: int, end: int, total: int, wanted: Any, hop: int) -> int:
    """Where the symbols end that a window keeps: early if it ends before what is given ends."""
    ahead = end < total and not wanted[end:].all()
    return max(start + 1, end - hop // 2) if ahead else end


def _hop(model: ArgmaxAutoregressive) -> int:
    """About half the model's length, at which the periods of its positions begin again."""
    length = model.event_shape[0]
    cycle = math.lcm(model.groups, *model.periods)
    for unit in (cycle, model.groups):
        if unit <= length // 2:
            return length // 2 // unit * unit
    return max(1, length // 2)


def _check(model: ArgmaxAutoregressive, codes: Codes) -> None:
    count = len(model.alphabet)
    bad = (codes < -1) | (codes >= count)
    if bad.any():
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        raise DataError(
            f"the sequence holds {codes[where]} at {list(where)}, but symbols are numbered from 0 "
            f"to {count - 1}, and -1 stands where one is wanted"
        )


def of_any_order(model: Model) -> ArgmaxAutoregressive:
    """The model, if it can continue sequences and fill holes.

    Raises:
        DataError: it cannot.
    """
    if not isinstance(model, ArgmaxAutoregressive):
        raise DataError(
            f"only models of argmax-autoregressive are given a part of a sequence; this "
            f"{type(model).__name__} draws whole ones"
        )
    return model
