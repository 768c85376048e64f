"""Gumbel variables, and those of which a given one is the largest."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["gumbel", "won_by"]


def gumbel(uniform: Tensor) -> Tensor:
    """Gumbel variables from uniform ones in [0, 1)."""
    tiny = torch.finfo(uniform.dtype).tiny
    return -(-uniform.clamp(min=tiny).log()).log()


def won_by(chosen: Tensor, shift: Tensor, uniform: Tensor) -> Tensor:
    """Gumbel variables at their shifts, given which one is the largest.

    Args:
        chosen: (..., K), true for the largest.
        shift: (..., K).
        uniform: (..., 1 + K), noise of the largest and of all.

    Reference: "A* Sampling", Maddison, Tarlow, Minka, 2014, arXiv:1411.0030.
    """
    noise = gumbel(uniform)
    # the largest does not depend on which it is
    largest = shift.logsumexp(-1, keepdim=True) + noise[..., :1]
    free = shift + noise[..., 1:]
    # a Gumbel variable cut off at m is -log(exp(-m) + exp(-free))
    below = torch.nextafter(largest, torch.full_like(largest, -torch.inf))
    cut = torch.minimum(-torch.logaddexp(-largest, -free), below)
    return torch.where(chosen, largest, cut)
