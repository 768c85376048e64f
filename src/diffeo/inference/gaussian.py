"""Normal distributions with full covariance, as starts of a fit."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Gaussian"]


@dataclass(frozen=True)
class Gaussian:
    """Normal distributions N(mean, scale_tril scale_tril').

    Attributes:
        mean: (*batch, dim).
        scale_tril: lower triangular (*batch, dim, dim), with a positive diagonal.
    """

    mean: Tensor
    scale_tril: Tensor

    def at(self, noise: Tensor) -> Tensor:
        """Points (n, *batch, dim) that belong to standard normal noise."""
        return self.mean + (self.scale_tril @ noise.unsqueeze(-1)).squeeze(-1)

    def noise(self, x: Tensor) -> Tensor:
        """Standard normal noise that belongs to points (n, *batch, dim)."""
        centred = (x - self.mean).unsqueeze(-1)
        return torch.linalg.solve_triangular(self.scale_tril, centred, upper=False).squeeze(-1)

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-densities (n, *batch) at points (n, *batch, dim)."""
        return self.log_prob_at(self.noise(x))

    def log_prob_at(self, noise: Tensor) -> Tensor:
        """Log-densities (n, *batch) at the points that belong to noise."""
        constant = self.mean.shape[-1] * math.log(2 * math.pi) / 2 + self.ladj
        return -noise.square().sum(-1) / 2 - constant

    @property
    def ladj(self) -> Tensor:
        """Log-determinants (*batch) of the scales."""
        return self.scale_tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)

    @property
    def covariance(self) -> Tensor:
        return self.scale_tril @ self.scale_tril.mT

    def __getitem__(self, index: int | Tensor) -> Gaussian:
        return Gaussian(self.mean[index], self.scale_tril[index])
