"""Clouds and models whose truth is known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import diffeo
from diffeo.bases import StandardNormal
from diffeo.density import Density
from diffeo.draw import Draw
from diffeo.points import PointCloudFlow
from diffeo.transform import Transform

DIM = 2


def ring(rng: np.random.Generator, points: int, radius: float = 1.0) -> Any:
    """Points on a circle, somewhat beside it."""
    angle = rng.uniform(0, 2 * math.pi, points)
    on = radius * np.column_stack([np.cos(angle), np.sin(angle)])
    return on + 0.05 * rng.normal(size=(points, 2))


def disc(rng: np.random.Generator, points: int, scale: float) -> Any:
    """Normal points of a scale."""
    return scale * rng.normal(size=(points, 2))


def bar(rng: np.random.Generator, points: int, scale: float) -> Any:
    """Normal points along the first axis."""
    return disc(rng, points, scale) * [1.0, 0.1]


class Shift(Transform):
    """x + z, with z the context."""

    def __init__(self) -> None:
        super().__init__((DIM,))
        self.context = DIM

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        assert context is not None
        y = x + context
        return y, y.new_zeros(y.shape[:-1])

    def inverse(self, y: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        assert context is not None
        return self.forward(y, -context)


class MeanAndSize(nn.Module):
    """The mean of the points, and how many they are."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x.mean(1), x.new_full((len(x), 1), x.shape[1])], dim=1)


class Exact(Density):
    """The posterior of the mean z of n points, x_i ~ N(z, 1), z ~ N(0, 1); off by a factor."""

    def __init__(self, factor: float = 1.0) -> None:
        super().__init__((DIM,), DIM + 1)
        self.factor = factor

    def _moments(self, context: Tensor) -> tuple[Tensor, Tensor]:
        mean, count = context[..., :DIM], context[..., DIM:]
        return mean * count / (count + 1), self.factor * (count + 1).rsqrt()

    def _log_prob(self, x: Tensor, context: Tensor | None) -> Tensor:
        assert context is not None
        return torch.distributions.Normal(*self._moments(context)).log_prob(x).sum(-1)

    def _rsample(self, draw: Draw) -> Tensor:
        assert draw.context is not None
        mean, scale = self._moments(draw.context)
        return mean + scale * draw.normal((DIM,), mean)


def shifted_normals(factor: float = 1.0, **options: Any) -> PointCloudFlow:
    """Clouds around a normal mean, whose log_prob is ``log_prob_of``."""
    prior = diffeo.Flow(StandardNormal(DIM), diffeo.transforms.Standardize(DIM))
    points = diffeo.Flow(StandardNormal(DIM), Shift())
    return PointCloudFlow(MeanAndSize(), Exact(factor), points, prior, count=5, **options).double()


def log_prob_of(x: Tensor) -> Tensor:
    """The exact log p of clouds (*batch, n, DIM) whose points share a normal mean."""
    count = x.shape[-2]
    covariance = torch.eye(count, dtype=x.dtype) + 1
    normal = torch.distributions.MultivariateNormal(x.new_zeros(count), covariance)
    return normal.log_prob(x.mT).sum(-1)
