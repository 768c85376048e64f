"""What stands beside flows of normal scores: the Gaussian copula, and heavy tails."""

from __future__ import annotations

import torch
from torch import Tensor

from diffeo.bases import MultivariateNormal, StudentT
from diffeo.density import Density
from diffeo.flow import Flow
from diffeo.transforms import Permutation

__all__ = ["gaussian_copula", "heavy_tails"]

# degrees of freedom: heavy tails whose samples still have a variance
FREEDOM = 3.0


def gaussian_copula(scores: Tensor) -> Flow:
    """A normal of the covariance of ``scores``, shrunk."""
    columns = scores.shape[1]
    return _as_flow(
        MultivariateNormal(columns, scores.double().mean(0), _shrunk_covariance(scores))
    )


def heavy_tails(columns: int) -> Flow:
    """Independent Student-t variables, for rows far from all others."""
    return _as_flow(StudentT(columns, FREEDOM))


def _as_flow(base: Density) -> Flow:
    """The base with nothing on it, as mixtures are of models."""
    return Flow(base, Permutation(list(range(base.event_shape[0]))))


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
