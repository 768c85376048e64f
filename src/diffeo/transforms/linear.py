"""What the linear transforms share: precision, triangular systems, y = M x + b."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor, nn

from diffeo.checks import check_event, check_features
from diffeo.transform import Transform

__all__ = ["LinearMap", "full_precision", "solve_from_right", "solve_triangle"]


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


class LinearMap(Transform):
    """y = M x + b for an invertible matrix M; the ladj is log |det M|.

    Args:
        features: number of features D.
        shift: whether there is a learned b, which starts at 0.
    """

    lossless = True
    shift: nn.Parameter | None

    def __init__(self, features: int, *, shift: bool) -> None:
        check_features(type(self).__name__, features)
        super().__init__((features,))
        self.shift = nn.Parameter(torch.zeros(features)) if shift else None

    @abstractmethod
    def _multiply(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """M x for x (*batch, D), and log |det M|."""

    @abstractmethod
    def _solve(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """M^-1 y for y (*batch, D), and log |det M|."""

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        check_event(self, x, self.in_shape)
        with full_precision(x):
            y, log_det = self._multiply(x)
            y = y if self.shift is None else y + self.shift
            return y, log_det.expand(x.shape[:-1])

    def inverse(self, y: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        check_event(self, y, self.in_shape)
        with full_precision(y):
            x, log_det = self._solve(y if self.shift is None else y - self.shift)
            return x, -log_det.expand(y.shape[:-1])
