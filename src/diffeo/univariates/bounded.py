"""Smooth bounds, so that no parameter can make a map numerically singular."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["LOG_SCALE_BOUND", "soft_bound"]

LOG_SCALE_BOUND = math.log(1e3)


def soft_bound(raw: Tensor, bound: float = LOG_SCALE_BOUND) -> Tensor:
    """``bound * tanh(raw / bound)``: slope one at 0, between -bound and bound."""
    return bound * torch.tanh(raw / bound)
