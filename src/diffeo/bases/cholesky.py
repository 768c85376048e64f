"""Positive definite matrices held as a Cholesky factor with a log diagonal."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from diffeo.errors import ShapeError

__all__ = ["Matrix", "packed_cholesky", "unpacked", "whitened"]

Matrix = Sequence[Sequence[float]] | Tensor | None


def packed_cholesky(name: str, matrix: Matrix, features: int, dtype: torch.dtype) -> Tensor:
    """The Cholesky factor of ``matrix`` (by default the identity) with the log of its diagonal.

    The diagonal is held as a log, so that every value is a positive definite matrix.

    Raises:
        ShapeError: a matrix of another shape.
        ValueError: a matrix that is not symmetric and positive definite.
    """
    factor = _cholesky(name, matrix, features).to(dtype)
    return factor.tril(-1) + torch.diag(factor.diagonal().log())


def unpacked(packed: Tensor) -> tuple[Tensor, Tensor]:
    """The factor L, and log det L."""
    log_diagonal = packed.diagonal()
    return packed.tril(-1) + torch.diag(log_diagonal.exp()), log_diagonal.sum()


def whitened(x: Tensor, loc: Tensor, factor: Tensor) -> tuple[Tensor, Tensor]:
    """L^-1 (x - loc) with infinities as 0, and which rows (*batch) have density 0 for them."""
    # the solver would make NaN of infinities
    infinite = x.isinf()
    rest = (x.masked_fill(infinite, 0.0) - loc).reshape(-1, x.shape[-1])
    z = torch.linalg.solve_triangular(factor, rest.t(), upper=False).t().reshape(x.shape)
    return z, infinite.any(-1) & ~x.isnan().any(-1)


def _cholesky(name: str, given: Matrix, features: int) -> Tensor:
    if given is None:
        return torch.eye(features)
    matrix = torch.as_tensor(given, dtype=torch.float64).detach()
    if matrix.shape != (features, features):
        raise ShapeError(
            f"{name} must have shape {(features, features)}, got {tuple(matrix.shape)}"
        )
    factor, info = torch.linalg.cholesky_ex(matrix)
    if int(info) or not torch.allclose(matrix, matrix.t()):
        raise ValueError(f"{name} must be symmetric and positive definite")
    return factor
