"""What the linear transforms share: precision, triangular systems, orthogonal matrices."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor
from torch.nn import functional as F

from diffeo.checks import check_event, check_features
from diffeo.transform import Transform

__all__ = ["OrthogonalMap", "full_precision", "solve_from_right", "solve_triangle"]


def full_precision(x: Tensor) -> torch.autocast:
    """Log-dets must match the map, so no half-precision product under autocast."""
    return torch.autocast(x.device.type, enabled=False)


def solve_triangle(triangle: Tensor, columns: Tensor, *, upper: bool) -> Tensor:
    """A^-1 B for triangular A (*batch, n, n) and B (*batch, n, k)."""
    if not torch.compiler.is_exporting():
        return torch.linalg.solve_triangular(triangle, columns, upper=upper)
    # ONNX has no triangular solve: substitute row by row
    count = triangle.shape[-1]
    rows: list[Tensor] = [columns[..., i, :] for i in range(count)]
    for i in range(count - 1, -1, -1) if upper else range(count):
        known = range(i + 1, count) if upper else range(i)
        for j in known:
            rows[i] = rows[i] - triangle[..., i, j, None] * rows[j]
        rows[i] = rows[i] / triangle[..., i, i, None]
    return torch.stack(rows, dim=-2)


def solve_from_right(x: Tensor, triangle: Tensor, *, upper: bool) -> Tensor:
    """x A^-T for a triangular A, x (*batch, D)."""
    flat = solve_triangle(triangle, x.reshape(-1, x.shape[-1]).t(), upper=upper)
    return flat.t().reshape(x.shape)


class OrthogonalMap(Transform):
    """y = Q x for an orthogonal matrix Q; the inverse is x = Q^T y, both ladj are 0.

    Args:
        features: number of features D.
    """

    def __init__(self, features: int) -> None:
        check_features(type(self).__name__, features)
        super().__init__((features,))

    @abstractmethod
    def matrix(self) -> Tensor:
        """Q (D, D)."""

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        check_event(self, x, self.in_shape)
        with full_precision(x):
            return F.linear(x, self.matrix()), x.new_zeros(x.shape[:-1])

    def inverse(self, y: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        check_event(self, y, self.in_shape)
        with full_precision(y):
            return F.linear(y, self.matrix().t()), y.new_zeros(y.shape[:-1])
