"""The Gaussian copula: a normal of normal scores."""

from __future__ import annotations

import torch
from torch import Tensor

from diffeo.bases import MultivariateNormal
from diffeo.flow import Flow
from diffeo.transforms import Permutation

__all__ = ["gaussian_copula"]


def gaussian_copula(scores: Tensor) -> Flow:
    """A normal of the covariance of ``scores``, shrunk."""
    columns = scores.shape[1]
    normal = MultivariateNormal(columns, scores.double().mean(0), _shrunk_covariance(scores))
    return Flow(normal, Permutation(list(range(columns))))


def _shrunk_covariance(x: Tensor) -> Tensor:
    """The covariance mixed with a multiple of the identity, by Ledoit and Wolf's rule (2004)."""
    x = x.double()
    x = x - x.mean(0)
    rows, columns = x.shape
    covariance = x.t() @ x / rows
    level = covariance.diagonal().mean()
    target = level * torch.eye(columns, dtype=x.dtype)
    distance = (covariance - target).square().sum()
    # the mean of |x x' - S|^2 over rows, without a matrix for each
    error = (x.square().sum(1).square().mean() - covariance.square().sum()) / rows
    share = float((error / distance.clamp(min=1e-300)).clamp(0, 1))
    return (1 - share) * covariance + share * target
