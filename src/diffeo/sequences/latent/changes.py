"""Random changes of sequences in training: parts of them, and transpositions."""

from __future__ import annotations

import torch
from torch import Tensor

from diffeo.sequences.latent.padding import lengths

__all__ = ["shifted", "windows"]


def windows(x: Tensor, steps: int) -> Tensor:
    """Of every sequence (n, time, width) longer than ``steps``, so many from a random one on."""
    if x.shape[1] <= steps:
        return x
    spare = (lengths(x) - steps).clamp(min=0)
    start = (torch.rand(len(x), device=x.device) * (spare + 1)).long()
    index = start[:, None] + torch.arange(steps, device=x.device)
    return x[torch.arange(len(x), device=x.device)[:, None], index]


def shifted(x: Tensor, most: int) -> Tensor:
    """Every piano roll (n, time, notes) up or down by a random number of notes up to ``most``.

    A roll moves only as far as all its notes stay inside.
    """
    width = x.shape[-1]
    used = (x > 0).any(1)
    notes = torch.arange(width, device=x.device)
    low = torch.where(used, notes, width).amin(1).clamp(max=width - 1)
    high = torch.where(used, notes, -1).amax(1).clamp(min=0)
    down, up = -low.clamp(max=most), (width - 1 - high).clamp(max=most)
    by = down + (torch.rand(len(x), device=x.device) * (up - down + 1)).long()
    # PAD fills whole steps, and so moves onto itself
    source = (notes - by[:, None]) % width
    return x.gather(-1, source[:, None].expand_as(x))
