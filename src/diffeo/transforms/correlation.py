"""From the reals onto Cholesky factors of correlation matrices."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from diffeo.checks import check_event
from diffeo.supports import CorrCholesky
from diffeo.transform import Transform
from diffeo.transforms.inside import unless_outside

__all__ = ["CorrelationCholesky"]


class CorrelationCholesky(Transform):
    """From reals x_ij, j < i, onto Cholesky factors L of correlation matrices:

        L_ij = z_ij prod_{l<j} sqrt(1 - z_il^2),   z_ij = tanh x_ij,   z_ii = 1.

    z are partial correlations, so L L' is a correlation matrix for all of them. The ladj refers to
    the strictly lower triangle. Ignores context.

    Args:
        size: size k of the matrices, at least 2.

    Shapes: x (*batch, k (k - 1) / 2), the lower triangle row by row; y (*batch, k * k), the matrix
    row by row.

    Raises:
        ShapeError: a size below 2, or events of another shape.

    Reference: "Generating random correlation matrices based on vines and extended onion method",
    Lewandowski, Kurowicka, Joe, 2009, doi:10.1016/j.jmva.2009.04.008.

    Example:
        >>> import torch, diffeo
        >>> diffeo.transforms.CorrelationCholesky(2)(torch.tensor([0.5]))[0]
        tensor([1.0000, 0.0000, 0.4621, 0.8868])
    """

    lower: Tensor
    place: Tensor

    def __init__(self, size: int) -> None:
        support = CorrCholesky(size)
        super().__init__((support.free,), (support.columns,))
        self.codomain = support
        self.size = size
        rows, columns = torch.tril_indices(size, size, -1)
        lower = rows * size + columns
        # where each entry of the matrix is found; all others behind the last one
        place = torch.full((size * size,), support.free)
        place[lower] = torch.arange(support.free)
        self.register_buffer("lower", lower, persistent=False)
        self.register_buffer("place", place, persistent=False)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        check_event(self, x, self.in_shape)
        size = x.abs()
        # log(1 - z^2), even in x and written in |x|, where nothing cancels
        log_rest = 2 * (math.log(2) - size - torch.log1p(torch.exp(-2 * size)))
        left = F.pad(self._matrix(log_rest).cumsum(-1)[..., :-1], (1, 0))
        one = torch.eye(self.size, dtype=x.dtype, device=x.device)
        y = ((self._matrix(x.tanh()) + one) * (left / 2).exp()).flatten(-2)
        ladj = (log_rest + left.flatten(-2).index_select(-1, self.lower) / 2).sum(-1)
        return y, ladj

    def inverse(self, y: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        check_event(self, y, self.out_shape)
        matrix = y.unflatten(-1, (self.size, self.size)).tril()
        # sums from the diagonal backwards, as 1 minus a sum from the left would cancel
        left = matrix.square().flip(-1).cumsum(-1).flip(-1)
        after = F.pad(left[..., 1:], (0, 1))
        # the bound leaves room for the gradients of both functions below
        least = torch.finfo(y.dtype).tiny ** 0.75
        here, rest = (
            t.flatten(-2).index_select(-1, self.lower).clamp(min=least) for t in (left, after)
        )
        x = torch.asinh(y.index_select(-1, self.lower) / rest.sqrt())
        ladj = here.log().sum(-1) / 2 - rest.log().sum(-1)
        return x, unless_outside(self.codomain, y, ladj)

    def _matrix(self, entries: Tensor) -> Tensor:
        """The strictly lower triangle as a matrix (*batch, k, k) with zeros elsewhere."""
        padded = F.pad(entries, (0, 1))
        return padded.index_select(-1, self.place).unflatten(-1, (self.size, self.size))
