"""A learned triangular map."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from diffeo.transforms.linear import LinearMap, solve_from_right
from diffeo.univariates.bounded import soft_bound

__all__ = ["Triangular"]


class Triangular(LinearMap):
    """y = L x + b with L lower triangular; on a standard normal, any covariance L L^T.

    The diagonal of L is exp(c tanh(a / c)), c = log 1000, so the map is never singular; the ladj is
    the sum of its logs. Starts at the identity. ``forward`` multiplies, ``inverse`` substitutes:
    O(D^2) a row both. Ignores context.

    Args:
        features: number of features D.

    Shapes: x (*batch, D).

    Raises:
        ShapeError: fewer than one feature, or events of another shape.

    Reference: "Normalizing Flows for Probabilistic Modeling and Inference", Papamakarios,
    Nalisnick, Rezende, Mohamed, Lakshminarayanan, 2019, arXiv:1912.02762.

    Example:
        >>> import torch, diffeo
        >>> diffeo.transforms.Triangular(2)(torch.ones(2))[0].detach()
        tensor([1., 1.])
    """

    def __init__(self, features: int) -> None:
        super().__init__(features, shift=True)
        # the strict lower triangle is L's
        self.weight = nn.Parameter(torch.zeros(features, features))
        self.log_diagonal = nn.Parameter(torch.zeros(features))

    def _factor(self) -> tuple[Tensor, Tensor]:
        log_diagonal = soft_bound(self.log_diagonal)
        return self.weight.tril(-1) + torch.diag(log_diagonal.exp()), log_diagonal.sum()

    def _multiply(self, x: Tensor) -> tuple[Tensor, Tensor]:
        factor, log_det = self._factor()
        return F.linear(x, factor), log_det

    def _solve(self, y: Tensor) -> tuple[Tensor, Tensor]:
        factor, log_det = self._factor()
        return solve_from_right(y, factor, upper=False), log_det
