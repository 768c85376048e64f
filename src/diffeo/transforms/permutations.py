"""Permutations of the features."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from diffeo import kernels
from diffeo.checks import check_event, check_features
from diffeo.errors import ShapeError
from diffeo.transform import Transform

__all__ = ["Permutation", "Reverse"]


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

    lossless = True
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

    def kernel_steps(self, *, inverted: bool) -> Sequence[kernels.Step]:
        return [kernels.Permuted(self.inverse_index if inverted else self.index)]

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
