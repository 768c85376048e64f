"""Layers that conditioners share."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["OutputLinear", "compress", "feature_major_linear"]


def compress(x: Tensor, bound: float = 4.0) -> Tensor:
    """``x / sqrt(1 + (x / bound)^2)``: what a conditioner sees of its input.

    The identity near 0 and bounded far out, so that a far point cannot drive a network's outputs,
    and with them the slopes of a layer, to values that floats cannot invert.
    """
    # beyond 1e8 the square could overflow, and the ratio is 1 already
    scaled = (x / bound).clamp(-1e8, 1e8)
    return bound * scaled * torch.rsqrt(1 + scaled * scaled)


def feature_major_linear(h: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """``F.linear`` whose result lies in memory with features first and the batch contiguous.

    Univariates work on parameters with leading feature axes; this layout spares them a copy.
    Under autocast it keeps full precision: parameters with 8 bits move a spline's log-slopes by
    more than all the rest of a half-precision network.
    """
    if torch.is_autocast_enabled(h.device.type):
        with torch.autocast(h.device.type, enabled=False):
            return feature_major_linear(h.to(weight.dtype), weight, bias)
    if h.ndim != 2:
        return F.linear(h, weight, bias)
    return torch.addmm(bias[:, None], weight, h.t()).t()


class OutputLinear(nn.Linear):
    """Last layer of a conditioner: all zero at first, so that the layer starts at the identity."""

    def reset_parameters(self) -> None:
        nn.init.zeros_(self.weight)
        nn.init.zeros_(self.bias)

    def forward(self, h: Tensor) -> Tensor:
        return feature_major_linear(h, self.weight, self.bias)
