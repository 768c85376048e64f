"""A learned linear map as the product of two triangles."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from diffeo import kernels
from diffeo.checks import check_event, check_features
from diffeo.transform import Transform
from diffeo.transforms.linear import full_precision, solve_from_right
from diffeo.univariates.bounded import soft_bound

__all__ = ["LU"]


class LU(Transform):
    """Learned linear map: x = L U y + b in the inverse, with L unit lower and U upper triangular.

    The product stands in the density direction (data to base), which therefore costs one matrix
    product; ``forward`` solves the two triangular systems. The diagonal of U is exp(b tanh(a / b)),
    b = log 1000, so the map is never singular. The ladj of the inverse is the sum of its logs.
    Starts at the identity. Ignores context.

    Args:
        features: number of features D.

    Shapes: x (*batch, D).

    Raises:
        ShapeError: events of another shape.

    Reference: "Glow: Generative Flow with Invertible 1x1 Convolutions", Kingma, Dhariwal, 2018,
    arXiv:1807.03039 (section 3.2).

    Example:
        >>> import torch, diffeo
        >>> diffeo.transforms.LU(2)(torch.ones(2))[0].detach()
        tensor([1., 1.])
    """

    lossless = True

    def __init__(self, features: int) -> None:
        check_features("LU", features)
        super().__init__((features,))
        # the strict lower triangle is L's, the strict upper one U's
        self.weight = nn.Parameter(torch.zeros(features, features))
        self.log_diagonal = nn.Parameter(torch.zeros(features))
        self.shift = nn.Parameter(torch.zeros(features))

    def _factors(self) -> tuple[Tensor, Tensor, Tensor]:
        log_diagonal = soft_bound(self.log_diagonal)
        lower = self.weight.tril(-1) + torch.eye(
            len(log_diagonal), dtype=self.weight.dtype, device=self.weight.device
        )
        upper = self.weight.triu(1) + torch.diag(log_diagonal.exp())
        return lower, upper, log_diagonal.sum()

    def kernel_steps(self, *, inverted: bool) -> Sequence[kernels.Step] | None:
        if not inverted:
            return None
        lower, upper, log_det = self._factors()
        return [kernels.Matrix(lower @ upper, self.shift, log_det)]

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        check_event(self, x, self.in_shape)
        with full_precision(x):
            lower, upper, log_det = self._factors()
            rest = x - self.shift
            # row vectors: y = (x - b) L^-T U^-T
            y = solve_from_right(solve_from_right(rest, lower, upper=False), upper, upper=True)
            return y, -log_det.expand(x.shape[:-1])

    def inverse(self, y: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        check_event(self, y, self.in_shape)
        with full_precision(y):
            lower, upper, log_det = self._factors()
            x = torch.nn.functional.linear(y, lower @ upper, self.shift)
            return x, log_det.expand(y.shape[:-1])
