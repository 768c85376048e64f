"""Orders in which positions are visited: what is given comes first."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["drawn_given", "visiting_order"]


def visiting_order(there: Tensor, given: Tensor) -> Tensor:
    """Positions in the order: given symbols, then the others, then where there are none.

    Args:
        there: (rows, T), where symbols are.
        given: (rows, T), which of them come first.

    Returns:
        (rows, T); among equals, in their natural order.
    """
    late = (~there).long() * 2 + (~given).long()
    return late.argsort(dim=1, stable=True)


def drawn_given(like: Tensor, groups: int, share: float) -> Tensor:
    """For training, which positions (rows, T) of a ``share`` of the rows are given.

    All but a span, or some at random, or, of ``groups`` > 1 interleaved voices, some voices and
    perhaps a start of all of them. Nothing is given in the other rows, whose order is natural.
    """
    rows, length = like.shape
    place = torch.arange(length, device=like.device)

    def uniform(*size: int) -> Tensor:
        return torch.rand(rows, *size, device=like.device)

    ends = (uniform(2) * (length + 1)).floor().sort(dim=1).values
    outside = (place < ends[:, :1]) | (place >= ends[:, 1:])
    scattered = uniform(length) < uniform(1)
    kinds = [outside, scattered]
    if groups > 1:
        voices = (uniform(groups) < 0.5)[:, place % groups]
        start = place < (uniform(1) * length) * (uniform(1) < 0.5)
        # whatever is asked of voices is asked most often
        kinds += [voices | start] * 2
    kind = (uniform(1) * len(kinds)).long()
    given = torch.stack(kinds, dim=1).gather(1, kind[..., None].expand(rows, 1, length))[:, 0]
    return given & (uniform(1) < share)
