"""Guards at the edges of a domain, of a dtype, and of a constructor's arguments."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from diffeo.supports import Support

__all__ = ["log_largest", "positive_number", "sign_and_size", "zero_density_outside"]


def log_largest(x: Tensor) -> float:
    """The largest argument of exp whose result is finite, with room for one rounding."""
    return math.log(torch.finfo(x.dtype).max) - 1e-3


def zero_density_outside(support: Support, value: Tensor, log_slope: Tensor) -> Tensor:
    """``log_slope``, but -inf where ``value`` is outside ``support``, so that a density is 0."""
    outside = ~support.contains(value) & ~value.isnan()
    return log_slope.masked_fill(outside, -torch.inf)


def sign_and_size(x: Tensor) -> tuple[Tensor, Tensor]:
    """``x`` as a constant sign times a size >= 0 whose derivative at 0 is 1 (that of abs is 0)."""
    sign = torch.ones_like(x).masked_fill(x < 0, -1.0)
    return sign, sign * x


def positive_number(part: object, name: str, value: float) -> float:
    """``value`` as a float; raises ValueError unless it is finite and greater than 0."""
    if not (math.isfinite(value) and value > 0):
        raise ValueError(
            f"{type(part).__name__}: {name} must be a finite number > 0, got {value!r}"
        )
    return float(value)
