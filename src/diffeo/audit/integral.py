"""Does a density integrate to 1? By quadrature in one dimension, importance sampling in two."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from diffeo.audit.report import Finding

__all__ = ["LARGEST_TOLERANCE", "integral", "quadrature"]

# an error of 3 % in a density must stand out from what the estimate itself may err
LARGEST_TOLERANCE = 0.02

LogDensity = Callable[[Tensor], Tensor]


def integral(log_density: LogDensity, samples: Tensor) -> Finding:
    """|integral - 1| of a density on R^D, D = 1 or 2, against the error of its estimate.

    Args:
        log_density: (rows, D) -> (rows).
        samples: (rows, D), drawn from it; they say where the density lives.
    """
    one = samples.shape[1] == 1
    total, tolerance = (_quadrature if one else _importance)(log_density, samples)
    detail = "" if abs(total - 1) <= tolerance else f"the density integrates to {total:.5f}"
    if tolerance > LARGEST_TOLERANCE:
        return Finding(math.nan, LARGEST_TOLERANCE, f"too noisy to judge: {total:.4f}")
    return Finding(abs(total - 1), tolerance, detail)


def _quadrature(log_density: LogDensity, samples: Tensor) -> tuple[float, float]:
    points, weights = quadrature(samples)
    return float((log_density(points).exp() * weights).sum()), 2e-3


def quadrature(samples: Tensor) -> tuple[Tensor, Tensor]:
    """Points (rows, 1) and weights (rows): Gauss-Legendre between 500 quantiles and on tails.

    The tails grow geometrically.
    """
    ordered = samples[:, 0].sort().values
    inner = ordered[torch.linspace(0, len(ordered) - 1, 501).long()].unique()
    steps = (inner[-1] - inner[0]) * torch.logspace(-3, 12, 120, dtype=samples.dtype)
    edges = torch.cat([(inner[0] - steps).flip(0), inner, inner[-1] + steps])
    nodes, weights = (torch.from_numpy(a) for a in np.polynomial.legendre.leggauss(6))
    half = edges.diff()[:, None] / 2
    points = edges[:-1, None] + half * (nodes + 1)
    return points.reshape(-1, 1), (weights * half).flatten()


def _importance(log_density: LogDensity, samples: Tensor) -> tuple[float, float]:
    """Proposals from kernels around 1,000 of the samples, until four standard errors are small."""
    kernels = _Kernels(samples[:1000])
    weights: list[Tensor] = []
    while True:
        points = kernels.sample(2_000)
        weights.append((log_density(points) - kernels.log_prob(points)).exp())
        joined = torch.cat(weights)
        tolerance = 4 * float(joined.std()) / math.sqrt(len(joined)) + 1e-3
        if (len(weights) > 3 and tolerance <= LARGEST_TOLERANCE) or len(weights) == 60:
            return float(joined.mean()), tolerance


class _Kernels:
    """Student-t kernels (2 degrees of freedom) in the plane, each shaped like its 12 neighbours.

    Heavy tails cover what the samples miss; shapes follow thin ridges, which round kernels waste.
    """

    def __init__(self, centres: Tensor) -> None:
        near = torch.cdist(centres, centres).topk(12, largest=False).indices
        steps = centres[near] - centres[:, None]
        covariance = steps.mT @ steps / 12
        # a ridge thinner than this is taken as this wide
        least = 1e-6 * covariance.diagonal(dim1=-2, dim2=-1).sum(-1)
        covariance = covariance + least[:, None, None] * torch.eye(2, dtype=centres.dtype)
        self.centres = centres
        self.factor = torch.linalg.cholesky(covariance)

    def sample(self, count: int) -> Tensor:
        chosen = torch.randint(len(self.centres), (count,))
        normal = torch.randn(count, 2, 1, dtype=self.centres.dtype)
        radius = torch.empty(count, dtype=self.centres.dtype).exponential_().sqrt()
        step = (self.factor[chosen] @ normal)[..., 0] / radius[:, None]
        return self.centres[chosen] + step

    def log_prob(self, x: Tensor) -> Tensor:
        l00, l10, l11 = self.factor[:, 0, 0], self.factor[:, 1, 0], self.factor[:, 1, 1]
        dx, dy = (x[:, None] - self.centres).unbind(-1)
        u = dx / l00
        v = (dy - l10 * u) / l11
        log_kernel = -2 * torch.log1p((u * u + v * v) / 2) - torch.log(2 * math.pi * l00 * l11)
        return log_kernel.logsumexp(1) - math.log(len(self.centres))
