"""Linear transforms: permutations and LU."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from diffeo.checks import check_event, check_features
from diffeo.errors import ShapeError
from diffeo.transform import Transform
from diffeo.univariates.bounded import soft_bound

__all__ = ["LU", "Permutation", "Reverse"]


class Permutation(Transform):
    """y_i = x_{order[i]}, with ladj 0. Ignores context.

    Args:
        order: a permutation of 0..D-1.

    Shapes: x (*batch, D).

    Raises:
        ShapeError: ``order`` is no permutation, or events of another shape.

    Example:
        >>> import torch, diffeo
        >>> diffeo.transforms.Permutation([2, 0, 1])(torch.tensor([1.0, 2.0, 3.0]))[0]
        tensor([3., 1., 2.])
    """

    index: Tensor
    inverse_index: Tensor

    def __init__(self, order: Sequence[int]) -> None:
        order = [int(i) for i in order]
        if not order or sorted(order) != list(range(len(order))):
            raise ShapeError(f"Permutation: {order} is not a permutation of 0..{len(order) - 1}")
        super().__init__((len(order),))
        index = torch.tensor(order)
        self.register_buffer("index", index, persistent=False)
        self.register_buffer("inverse_index", index.argsort(), persistent=False)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        check_event(self, x, self.in_shape)
        return x.index_select(-1, self.index), x.new_zeros(x.shape[:-1])

    def inverse(self, y: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        check_event(self, y, self.in_shape)
        return y.index_select(-1, self.inverse_index), y.new_zeros(y.shape[:-1])


class Reverse(Permutation):
    """y_i = x_{D-1-i}, with ladj 0. Ignores context.

    Args:
        features: number of features D.

    Shapes: x (*batch, D).

    Raises:
        ShapeError: events of another shape.

    Example:
        >>> import torch, diffeo
        >>> diffeo.transforms.Reverse(3)(torch.tensor([1.0, 2.0, 3.0]))[0]
        tensor([3., 2., 1.])
    """

    def __init__(self, features: int) -> None:
        check_features("Reverse", features)
        super().__init__(range(features)[::-1])


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

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        check_event(self, x, self.in_shape)
        with _full_precision(x):
            lower, upper, log_det = self._factors()
            rest = x - self.shift
            # row vectors: y = (x - b) L^-T U^-T
            y = _solve_from_right(_solve_from_right(rest, lower, upper=False), upper, upper=True)
            return y, -log_det.expand(x.shape[:-1])

    def inverse(self, y: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        check_event(self, y, self.in_shape)
        with _full_precision(y):
            lower, upper, log_det = self._factors()
            x = torch.nn.functional.linear(y, lower @ upper, self.shift)
            return x, log_det.expand(y.shape[:-1])


def _full_precision(x: Tensor) -> torch.autocast:
    """Log-dets must match the map, so no half-precision product under autocast."""
    return torch.autocast(x.device.type, enabled=False)


def _solve_from_right(x: Tensor, triangle: Tensor, *, upper: bool) -> Tensor:
    """x A^-T for a triangular A, x (*batch, D)."""
    if not torch.compiler.is_exporting():
        flat = torch.linalg.solve_triangular(triangle, x.reshape(-1, x.shape[-1]).t(), upper=upper)
        return flat.t().reshape(x.shape)
    # ONNX has no triangular solve: substitute column by column
    count = x.shape[-1]
    columns: list[Tensor] = [x[..., i] for i in range(count)]
    for i in range(count - 1, -1, -1) if upper else range(count):
        known = range(i + 1, count) if upper else range(i)
        for j in known:
            columns[i] = columns[i] - columns[j] * triangle[i, j]
        columns[i] = columns[i] / triangle[i, i]
    return torch.stack(columns, dim=-1)
