"""Draws that more than one kind of column needs."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["choose", "normal"]


def choose(log_weight: Tensor, generator: torch.Generator | None) -> Tensor:
    """An index along the first axis, by its weights, for each of the other axes."""
    total = log_weight.exp().cumsum(0)
    draw = torch.rand(total.shape[1:], generator=generator, dtype=total.dtype, device=total.device)
    # by the last partial sum, so that rounding cannot lead past the end
    return (draw * total[-1] >= total[:-1]).sum(0)


def normal(
    location: Tensor, scale: Tensor, log_weight: Tensor, generator: torch.Generator | None
) -> Tensor:
    """From mixtures of normals, components leading: (components, ...) -> (...)."""
    chosen = choose(log_weight, generator)[None]
    noise = torch.randn(
        location.shape[1:], generator=generator, dtype=location.dtype, device=location.device
    )
    return location.gather(0, chosen)[0] + scale.gather(0, chosen)[0] * noise
