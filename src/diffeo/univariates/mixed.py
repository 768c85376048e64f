"""Increasing scalars mixed through a distribution function: Q(sum_k w_k F(z_k)), Q inverse to F."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from diffeo.univariates.normal_tails import log_cdf_and_hazard, quantile_of_log

__all__ = ["Mix", "mixed_logistic", "mixed_normal", "spread"]

# log w_k, z_k and log dz_k/dx, over a leading axis, to the mixed value and its log-derivative
Mix = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]

# between units far apart the slope would vanish: this share of sum_k w_k z_k keeps it positive,
# and the result between the least and the largest z_k
LEAK = 1e-3


def mixed_logistic(log_weight: Tensor, z: Tensor, log_slope: Tensor) -> tuple[Tensor, Tensor]:
    """logit(sum_k w_k sigmoid(z_k)) over the first axis, and its log-derivative."""
    below, above = log_weight + F.logsigmoid(z), log_weight + F.logsigmoid(-z)
    y = _log_sum(below) - _log_sum(above)
    # w s(z) s(-z) / (S (1 - S)) with S the sum: shares of the two sides, as nothing cancels there
    each = torch.log_softmax(below, 0) + torch.log_softmax(above, 0) - log_weight + log_slope
    return _leaking(y, torch.logsumexp(each, 0), log_weight, z, log_slope)


def mixed_normal(log_weight: Tensor, z: Tensor, log_slope: Tensor) -> tuple[Tensor, Tensor]:
    """Phi^-1(sum_k w_k Phi(z_k)) over the first axis, and its log-derivative."""
    with torch.no_grad():
        share = (log_weight.exp() * torch.special.ndtr(z)).sum(0)
        side = torch.where(share > 0.5, -1.0, 1.0).to(z)
    # by symmetry the sum is at most a half, whose log keeps its digits
    log_cdf, log_hazard = log_cdf_and_hazard(side * z)
    each = log_weight + log_cdf
    y, y_log_hazard = quantile_of_log(_log_sum(each))
    # w phi(z) / phi(y), with phi = Phi * hazard on both sides, as the squares would cancel
    each = torch.log_softmax(each, 0) + log_hazard + log_slope
    log_mixed = torch.logsumexp(each, 0) - y_log_hazard
    return _leaking(side * y, log_mixed, log_weight, z, log_slope)


def _log_sum(each: Tensor) -> Tensor:
    """logsumexp over the first axis, whose gradients sum to one however large the numbers are."""
    largest = each.detach().amax(0)
    return largest + (each - largest).exp().sum(0).log()


def _leaking(
    y: Tensor, log_mixed: Tensor, log_weight: Tensor, z: Tensor, log_slope: Tensor
) -> tuple[Tensor, Tensor]:
    y = (1 - LEAK) * y + LEAK * (log_weight.exp() * z).sum(0)
    log_leak = torch.logsumexp(log_weight + log_slope, 0)
    return y, torch.logaddexp(math.log1p(-LEAK) + log_mixed, math.log(LEAK) + log_leak)


def spread(units: int) -> tuple[float, ...]:
    """Evenly spaced constants from -1 to 1."""
    return (0.0,) if units == 1 else tuple(2 * k / (units - 1) - 1 for k in range(units))
