"""The support of sequences that end in padding."""

from __future__ import annotations

import torch
from torch import Tensor

from diffeo.supports import Support

__all__ = ["PAD", "Padded", "lengths"]

# what every element of a step after the end of a sequence holds
PAD = -1


class Padded(Support):
    """Sequences (steps, width) of at least one step of discrete values, filled up with -1.

    Args:
        each: support of every element of a step; -1 is not in it.
    """

    def __init__(self, each: Support) -> None:
        self.each = each

    def contains(self, x: Tensor) -> Tensor:
        # padding is whole steps with nothing but padding after them, and not the first
        empty = (x == PAD).all(-1)
        ended = empty.long().flip(-1).cumprod(-1).flip(-1).bool()
        later = torch.arange(x.shape[-2], device=x.device) > 0
        return self.each.contains(x) | (ended & later)[..., None]

    def interior(self, like: Tensor) -> Tensor:
        return self.each.interior(like)

    def __repr__(self) -> str:
        return f"padded({self.each!r})"


def lengths(x: Tensor) -> Tensor:
    """(*batch): steps of sequences x (*batch, steps, width) before their padding."""
    return (x[..., 0] != PAD).sum(-1)
