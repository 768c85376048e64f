"""A learned diagonal plus a matrix of low rank."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from diffeo.checks import check_features
from diffeo.errors import ShapeError
from diffeo.transforms.linear import LinearMap, solve_from_right
from diffeo.transforms.orthogonal import reflect
from diffeo.univariates.bounded import soft_bound

__all__ = ["LowRankPlusDiagonal"]


class LowRankPlusDiagonal(LinearMap):
    """y = (diag(d) + d U V^T) x + b, a diagonal plus a matrix of rank r.

    V (D, r) has orthonormal columns, U = V (C - I) + (I - V V^T) W with a free W (D, r), and C is
    lower triangular with a positive diagonal. So the matrix that decides about singularity is
    I + V^T U = C, and by the determinant lemma and the Woodbury identity

        ladj = sum log d + sum log diag(C),   (I + U V^T)^-1 = I - U C^-1 V^T.

    Every diag(d) + A B^T of rank r with d > 0 is of this form if I + B^T diag(d)^-1 A has positive
    real eigenvalues, as in diag(d) + A A^T. d and diag(C) are exp(c tanh(a / c)), c = log 1000.
    Starts at the identity, with random V. Either direction costs O(rD + r^2) a row. Ignores
    context.

    Args:
        features: number of features D.
        rank: the rank r, 1 to D.

    Shapes: x (*batch, D).

    Raises:
        ShapeError: fewer than one feature, a rank outside 1..D, or events of another shape.

    Reference: "Sylvester Normalizing Flows for Variational Inference", van den Berg, Hasenclever,
    Tomczak, Welling, 2018, arXiv:1803.05649 (its linear case).

    Example:
        >>> import torch, diffeo
        >>> diffeo.transforms.LowRankPlusDiagonal(3, rank=1)(torch.ones(3))[0].detach()
        tensor([1., 1., 1.])
    """

    def __init__(self, features: int, rank: int = 1) -> None:
        check_features("LowRankPlusDiagonal", features)
        if not 1 <= rank <= features:
            raise ShapeError(
                f"LowRankPlusDiagonal: rank must be 1 to {features}, the number of features, "
                f"got {rank}"
            )
        super().__init__(features, shift=True)
        self.vectors = nn.Parameter(torch.randn(rank, features))
        self.outer = nn.Parameter(torch.zeros(rank, features))
        # the strict lower triangle is C's
        self.inner = nn.Parameter(torch.zeros(rank, rank))
        self.log_inner = nn.Parameter(torch.zeros(rank))
        self.log_diagonal = nn.Parameter(torch.zeros(features))

    def _parts(self) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """log d, U^T, V^T, C, log det."""
        rank, features = self.vectors.shape
        eye = torch.eye(features, dtype=self.vectors.dtype, device=self.vectors.device)[:rank]
        rows = reflect(eye, self.vectors)
        log_inner = soft_bound(self.log_inner)
        core = self.inner.tril(-1) + torch.diag(log_inner.exp())
        left = self.outer + (core.t() - eye[:, :rank] - self.outer @ rows.t()) @ rows
        log_diagonal = soft_bound(self.log_diagonal)
        return log_diagonal, left, rows, core, log_diagonal.sum() + log_inner.sum()

    def _multiply(self, x: Tensor) -> tuple[Tensor, Tensor]:
        log_diagonal, left, rows, _, log_det = self._parts()
        return (x + F.linear(x, rows) @ left) * log_diagonal.exp(), log_det

    def _solve(self, y: Tensor) -> tuple[Tensor, Tensor]:
        log_diagonal, left, rows, core, log_det = self._parts()
        scaled = y * torch.exp(-log_diagonal)
        inner = solve_from_right(F.linear(scaled, rows), core, upper=False)
        return scaled - inner @ left, log_det
