"""log det (I + J) of a contraction: exact, and an unbiased estimate."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from diffeo.nets.lipschitz.network import Push

__all__ = ["Noise", "draw_noise", "estimated_log_det", "exact_log_det", "jacobian"]

# terms of the series that every row computes, and the chance that it stops after any other one
FIRST = 2
STOP = 0.5


def jacobian(push: Push, like: Tensor) -> Tensor:
    """J (*batch, D, D) at the points ``like`` (*batch, D)."""
    features = like.shape[-1]
    columns = push(torch.eye(features, dtype=like.dtype, device=like.device))
    return columns.expand(*like.shape, features).mT


def exact_log_det(push: Push, like: Tensor) -> Tensor:
    """log det (I + J) (*batch), by D products of J and a vector."""
    matrix = jacobian(push, like)
    return torch.linalg.slogdet(matrix + torch.eye(like.shape[-1]).to(matrix)).logabsdet


class Noise(NamedTuple):
    """What an estimate draws.

    Attributes:
        probe: (*batch, D), signs.
        terms: (*batch), how many terms of the series each row takes.
    """

    probe: Tensor
    terms: Tensor


def draw_noise(like: Tensor, generator: torch.Generator | None = None) -> Noise:
    """Signs, and FIRST and a geometric number of terms, for points ``like`` (*batch, D)."""
    dtype, device = like.dtype, like.device
    signs = torch.rand(like.shape, generator=generator, dtype=dtype, device=device) < 0.5
    uniform = torch.rand(like.shape[:-1], generator=generator, dtype=dtype, device=device)
    # P(N >= n) = (1 - STOP)^n; 1 - uniform is never 0
    more = (torch.log1p(-uniform) / math.log(1 - STOP)).floor()
    return Noise(torch.where(signs, -1.0, 1.0).to(like), FIRST + more)


def estimated_log_det(push: Push, noise: Noise) -> Tensor:
    """An unbiased estimate of log det (I + J) (*batch), with an unbiased gradient.

    With v the probe and N the number of terms, weighted by w_k = 1 / P(N >= k) up to N:

        log det (I + J) = E[sum_k (-1)^(k+1) w_k / k v.J^k v],
        its derivative  = E[v.(dJ) u],  u = sum_k (-1)^k w_k J^k v  (k from 0; u is a constant).

    So only one product with J enters the graph. Its variance is finite where the spectral radius of
    J is below sqrt(1 - STOP) = 0.71; beyond, it has heavy tails.
    """
    probe = noise.probe.unsqueeze(-2)
    with torch.no_grad():
        power, series = probe, probe
        total = torch.zeros_like(noise.terms)
        for k in range(1, int(noise.terms.max()) + 1 if noise.terms.numel() else 1):
            power = push(power)
            weight = (1 - STOP) ** -max(k - FIRST, 0) * (noise.terms >= k)
            sign = -1 if k % 2 else 1
            total = total - sign / k * weight * (probe * power).sum((-2, -1))
            series = series + sign * weight[..., None, None] * power
    slope = (probe * push(series)).sum((-2, -1))
    return total + (slope - slope.detach())
