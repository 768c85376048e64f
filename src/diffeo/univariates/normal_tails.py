"""The normal distribution function far out in its lower tail, in the log domain."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["log_cdf", "log_hazard", "quantile_of_log"]

_FAR = 40.0
_LOG_ROOT = math.log(2 * math.pi) / 2


def log_hazard(z: Tensor) -> Tensor:
    """log(phi(z) / Phi(z)), which is the log-derivative of log Phi: about log(-z) far below 0.

    Three formulae, each where neither it nor its gradient cancels.
    """
    # phi and Phi by themselves are accurate above 0
    above = z.clamp(min=0)
    right = -above * above / 2 - _LOG_ROOT - torch.special.log_ndtr(above)
    # erfcx is Phi / phi, but its gradient cancels far out
    middle = z.clamp(-_FAR, 0)
    left = math.log(2 / math.pi) / 2 - torch.special.erfcx(middle * -math.sqrt(0.5)).log()
    # -z Phi / phi = 1 - 1/z^2 + 3/z^4 - 15/z^6 + 105/z^8 - ...
    outer = -z.clamp(max=-_FAR)
    r = outer**-2
    far = outer.log() - torch.log1p(-r * (1 - r * (3 - r * (15 - r * 105))))
    return torch.where(z > 0, right, torch.where(z > -_FAR, left, far))


def log_cdf(z: Tensor) -> Tensor:
    """log Phi(z), with a gradient that is accurate far below 0, where torch's is not."""
    below = z.clamp(max=0)
    left = -below * below / 2 - _LOG_ROOT - log_hazard(below)
    return torch.where(z > 0, torch.special.log_ndtr(z.clamp(min=0)), left)


def quantile_of_log(log_p: Tensor) -> Tensor:
    """The z <= 0 with log Phi(z) = log_p, for log_p <= log(1/2), however small."""
    with torch.no_grad():
        # both starts are good to a few digits, where they are used
        near = torch.special.ndtri(log_p.clamp(-10.0, math.log(0.5)).exp())
        twice = -2 * log_p.clamp(max=-10.0) - 2 * _LOG_ROOT
        z = torch.where(log_p > -10, near, -torch.sqrt(twice - twice.log()))
        for _ in range(3):
            z = _newton(z, log_p)
    # the last step carries the gradient, 1 / hazard
    return _newton(z, log_p)


def _newton(z: Tensor, log_p: Tensor) -> Tensor:
    return z - (log_cdf(z) - log_p) * torch.exp(-log_hazard(z))
