"""Symbols drawn one after another by a network of any order."""

from __future__ import annotations

import torch
from torch import Tensor

from diffeo.models.sequences.orders import visiting_order
from diffeo.nets.any_order import AnyOrderTransformer, StepCache

__all__ = ["filled_rows"]


def filled_rows(
    network: AnyOrderTransformer, rows: Tensor, noise: Tensor, context: Tensor | None
) -> Tensor:
    """Rows whose holes hold the argmax of shifts and noise; what is given is visited first.

    Args:
        network: of the shifts.
        rows: (rows, T), NaN in holes.
        noise: (rows, T, K).
        context: (rows, context), or None.
    """
    count, length = network.symbols, network.length
    there = ~rows.isnan()
    codes = torch.where(there, rows, count).long()
    order = visiting_order(torch.ones_like(there), there)
    rank = order.argsort(1)
    cache = StepCache(length, reuse=True)
    # what all rows are given is read in one pass
    first = int(there.sum(1).min()) if len(rows) else 0
    for end in range(first + 1, length + 1):
        steps = network.steps(codes, order, rank, slice(cache.length, end))
        scores = network.scores(steps, context, cache)[:, -1]
        cache.length = end
        place = order[:, end - 1 : end]
        drawn = (scores.to(noise) + _at(noise, place)).argmax(-1, keepdim=True)
        held = codes.gather(1, place)
        codes.scatter_(1, place, torch.where(held < count, held, drawn))
    return codes.to(rows)


def _at(noise: Tensor, place: Tensor) -> Tensor:
    """Noise (rows, T, K) at the positions (rows, 1)."""
    return noise.gather(1, place[..., None].expand(-1, -1, noise.shape[-1]))[:, 0]
