"""The normal distribution function far out in its lower tail, in the log domain."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["log_cdf_and_hazard", "quantile_of_log"]

_FAR = 40.0
_LOG_ROOT = math.log(2 * math.pi) / 2
_ROOT_HALF = math.sqrt(0.5)


def log_cdf_and_hazard(z: Tensor) -> tuple[Tensor, Tensor]:
    """log Phi(z) and log(phi(z) / Phi(z)), the log of its derivative, which is log(-z) far below 0.

    Each by formulae where neither it nor its gradient cancels; torch's gradient of log Phi does.
    """
    low = z.clamp(max=0)
    low_hazard = _lower_log_hazard(low)
    high = z.clamp(min=0)
    high_cdf = torch.special.log_ndtr(high)
    log_cdf = torch.where(z > 0, high_cdf, _log_density(low) - low_hazard)
    return log_cdf, torch.where(z > 0, _log_density(high) - high_cdf, low_hazard)


def _log_density(z: Tensor) -> Tensor:
    return -z * z / 2 - _LOG_ROOT


def _lower_log_hazard(z: Tensor) -> Tensor:
    """log(phi(z) / Phi(z)) for z <= 0 (or a rounding above)."""
    # the gradient of erfcx cancels far out
    near = math.log(2 / math.pi) / 2 - torch.special.erfcx(z.clamp(min=-_FAR) * -_ROOT_HALF).log()
    # there -z Phi / phi = 1 - 1/z^2 + 3/z^4 - 15/z^6 + 105/z^8 - ...
    outer = -z.clamp(max=-_FAR)
    r = outer**-2
    far = outer.log() - torch.log1p(-r * (1 - r * (3 - r * (15 - r * 105))))
    return torch.where(z > -_FAR, near, far)


def quantile_of_log(log_p: Tensor) -> tuple[Tensor, Tensor]:
    """The z <= 0 with log Phi(z) = log_p, for log_p <= log(1/2), and log(phi(z) / Phi(z))."""
    with torch.no_grad():
        near = torch.special.ndtri(log_p.clamp(-10.0, math.log(0.5)).exp())
        # phi(z) = -z Phi(z) up to 1/z^2, solved by substituting twice
        square = -2 * log_p.clamp(max=-10.0) - 2 * _LOG_ROOT
        z = torch.where(log_p > -10, near, -torch.sqrt(square - (square - square.log()).log()))
        for _ in range(2):
            z = _newton(z, log_p)
    # the last step carries the gradient, 1 / hazard
    z = _newton(z, log_p)
    return z, _lower_log_hazard(z)


def _newton(z: Tensor, log_p: Tensor) -> Tensor:
    log_hazard = _lower_log_hazard(z)
    return z - (_log_density(z) - log_hazard - log_p) * torch.exp(-log_hazard)
