"""Paths between normal noise."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["arc"]


def arc(first: Tensor, last: Tensor, steps: int) -> Tensor:
    """Points at even angles from noise to noise, both included; their lengths go along.

    A straight line would pass closer to 0 than normal noise of many dimensions ever comes.

    Args:
        first, last: (N, *event).
        steps: how many points, >= 2.

    Returns:
        (N, steps, *event).
    """
    a, b = first.flatten(1).double(), last.flatten(1).double()
    cosine = (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1)).clamp_min(1e-12)
    # parallel noise has no arc of its own; a line does there
    angle = cosine.clamp(-1 + 1e-6, 1 - 1e-6).arccos()[:, None, None]
    t = torch.linspace(0, 1, steps, dtype=torch.float64)[None, :, None]
    points = (torch.sin((1 - t) * angle) * a[:, None] + torch.sin(t * angle) * b[:, None]) / (
        angle.sin()
    )
    return points.to(first).reshape(len(first), steps, *first.shape[1:])
