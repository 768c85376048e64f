"""Activations x sigmoid(beta x), scaled so that no slope exceeds one."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["ConcatenatedLipSwish", "LipSwish"]

# x sigmoid(x) has slopes between -0.09984 and 1.09984
STEEPEST = 1.1


class Activated(NamedTuple):
    """Values and slopes, both (*batch, width)."""

    value: Tensor
    slope: Tensor


class _Swish(nn.Module):
    """x sigmoid(beta x) with a learned beta > 0; its slopes do not depend on beta's size."""

    def __init__(self) -> None:
        super().__init__()
        # from the paper's 0.5, an activation hardly bends within the data, and fits start slowly
        self.raw_beta = nn.Parameter(torch.tensor(4.0))

    def _swish(self, x: Tensor) -> Activated:
        at = F.softplus(self.raw_beta) * x
        gate = torch.sigmoid(at)
        return Activated(x * gate, gate * (1 + at * torch.sigmoid(-at)))


class LipSwish(_Swish):
    """x sigmoid(beta x) / 1.1, with beta = softplus(b) learned from b = 4 on.

    Reference: "Residual Flows for Invertible Generative Modeling", Chen, Behrmann, Duvenaud,
    Jacobsen, 2019, arXiv:1906.02735 (section 3.3).
    """

    def activate(self, x: Tensor) -> Activated:
        """Values and slopes at x."""
        value, slope = self._swish(x)
        return Activated(value / STEEPEST, slope / STEEPEST)


class ConcatenatedLipSwish(_Swish):
    """(s(x), s(-x)) / 1.1045 for s(x) = x sigmoid(beta x): twice as wide, and no slope is lost.

    The slopes of the pair are d and d - 1, both divided, for a d between -0.1 and 1.1; their norm
    is at most one, and hardly below 0.64 anywhere.

    Reference: "Invertible DenseNets with Concatenated LipSwish", Perugachi-Diaz, Tomczak, Bhulai,
    2021, arXiv:2102.02694 (section 4).
    """

    norm = math.hypot(STEEPEST, STEEPEST - 1)

    def activate(self, x: Tensor) -> Activated:
        """Values and slopes with respect to x, (*batch, 2 width)."""
        value, slope = self._swish(x)
        # s(-x) = s(x) - x
        both = torch.cat([value, value - x], dim=-1), torch.cat([slope, slope - 1], dim=-1)
        return Activated(both[0] / self.norm, both[1] / self.norm)
