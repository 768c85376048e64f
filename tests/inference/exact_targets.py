"""Targets that are known exactly, with log-evidence 0."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from diffeo.inference import CallableTarget

LOG_2PI = math.log(2 * math.pi)


class Normal:
    """A normal of random axes and a condition number."""

    def __init__(self, dim: int, condition: float, seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randn((dim, dim), generator=generator, dtype=torch.float64)
        axes, _ = torch.linalg.qr(noise)
        variances = torch.logspace(0, math.log10(condition), dim, dtype=torch.float64)
        self.mean = 3 * torch.randn(dim, generator=generator, dtype=torch.float64)
        self.covariance = axes @ torch.diag(variances) @ axes.mT
        self.distribution = torch.distributions.MultivariateNormal(self.mean, self.covariance)

    def target(self) -> CallableTarget:
        return CallableTarget(self.distribution.log_prob, dim=len(self.mean), dtype=torch.float64)


def funnel(x: Tensor) -> Tensor:
    """Neal's: v of sd 3, all others of variance e^v."""
    v, rest = x[:, 0], x[:, 1:]
    scale = -(v / 3).square() / 2 - math.log(3)
    count = rest.shape[1]
    spread = (-v).exp() * rest.square().sum(-1) + count * v
    return scale - spread / 2 - (count + 1) * LOG_2PI / 2


CENTRES = torch.tensor([[-4.0, 0.0], [4.0, 0.0], [0.0, 6.0]], dtype=torch.float64)
SHARES = torch.tensor([0.6, 0.3, 0.1], dtype=torch.float64)


def three_modes(x: Tensor) -> Tensor:
    """Normals of sd 0.4 that hardly see each other, of weights 0.6, 0.3 and 0.1."""
    away = (x.unsqueeze(1) - CENTRES.to(x)) / 0.4
    each = -away.square().sum(-1) / 2 - LOG_2PI - 2 * math.log(0.4)
    return torch.logsumexp(each + SHARES.to(x).log(), -1)
