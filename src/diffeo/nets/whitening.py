"""Columns turned and scaled until they are uncorrelated."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from diffeo.described import Described
from diffeo.nets.layers import compress

__all__ = ["Whitening"]

# of the largest variance: what is below is rounding, or a column that others determine
LEAST_VARIANCE = 1e-6


class Whitening(Described, nn.Module):
    """Principal components at variance 1, compressed to a bounded range; all 0 before a start.

    What small differences of columns that go together say, a network sees at full size.

    Args:
        features: number of columns.

    Shapes: x (*batch, features), standardised -> the same; as many zeros as the columns have
    fewer dimensions.

    Example:
        >>> import torch
        >>> from diffeo.nets.whitening import Whitening
        >>> x = torch.randn(1000, 1) + 0.01 * torch.randn(1000, 2)
        >>> whitening = Whitening(2)
        >>> whitening.initialize(x)
        >>> bool((whitening(x).T.cov() - torch.eye(2)).abs().max() < 0.2)
        True
    """

    matrix: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("matrix", torch.zeros(features, features))

    @torch.no_grad()
    def initialize(self, x: Tensor) -> None:
        """Take the components from rows (rows, features) of mean 0."""
        # float64: small variances beside large ones
        rows = x.double()
        variance, turn = torch.linalg.eigh(rows.T @ rows / len(rows))
        known = variance > LEAST_VARIANCE * variance[-1].clamp(min=1e-30)
        rate = torch.where(known, variance.clamp(min=1e-30).rsqrt(), 0.0)
        self.matrix.copy_(turn * rate)

    def forward(self, x: Tensor) -> Tensor:
        return compress(x @ self.matrix)
