"""The mass of a normal distribution between two points."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from diffeo.univariates.normal_tails import log_cdf_and_hazard

__all__ = ["log_mass_between"]

# cells narrower than this, and over which the density changes by a smaller factor than e^STEEP,
# are measured by their middle: the difference of two masses cancels
NARROW = 0.1
STEEP = 0.3


def log_mass_between(low: Tensor, high: Tensor) -> Tensor:
    """log(Phi(high) - Phi(low)) for low < high, exact to rounding in narrow cells and far out."""
    width = high - low
    wide = (width > NARROW) | (width * (low + high).abs() > 2 * STEEP)
    return torch.where(wide, _wide(low, high, wide), _narrow(low, high, wide))


def _narrow(low: Tensor, high: Tensor, wide: Tensor) -> Tensor:
    """The density in the middle, with the next two terms of its Taylor series (1e-9 remains)."""
    # ends at infinity belong to wide cells
    low, high = torch.where(wide, 0.0, low), torch.where(wide, NARROW, high)
    # far out, ends may round to one number
    middle, width = (low + high) / 2, (high - low).clamp(min=torch.finfo(low.dtype).tiny)
    square, flat = middle * middle, width * width
    second = (square - 1) * flat / 24
    fourth = (square * square - 6 * square + 3) * flat * flat / 1920
    return width.log() - square / 2 - 0.5 * math.log(2 * math.pi) + torch.log1p(second + fourth)


def _wide(low: Tensor, high: Tensor, wide: Tensor) -> Tensor:
    low, high = torch.where(wide, low, -1.0), torch.where(wide, high, 1.0)
    # in the lower tail, where both masses keep their digits
    flip = low + high > 0
    low, high = torch.where(flip, -high, low), torch.where(flip, -low, high)
    upper = log_cdf_and_hazard(high)[0]
    lower = log_cdf_and_hazard(low.clamp(min=-1e4))[0]
    return upper + torch.log(-torch.expm1((lower - upper).clamp(max=-1e-4)))
