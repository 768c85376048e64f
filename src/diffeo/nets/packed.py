"""Networks of one shape that are worked out together."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from diffeo.described import Described

__all__ = ["PackedMLP"]


class PackedMLP(Described, nn.Module):
    """Multi-layer perceptrons of one shape, each with weights of its own, by one batched product.

    As many separate small networks would spend most of their time between the products.

    Args:
        members: number of networks.
        in_features: width of the input.
        out_features: width of the output.
        hidden: widths of the hidden layers.
        dropout: share of each hidden layer that is dropped in training.
        seed: of the initial weights; the last layer starts small.

    Shapes: x (members, rows, in_features), or (1, rows, in_features) for one input to all ->
    (members, rows, out_features).

    Example:
        >>> import torch
        >>> from diffeo.nets.packed import PackedMLP
        >>> PackedMLP(4, 3, 2, hidden=(8,), seed=0)(torch.zeros(1, 5, 3)).shape
        torch.Size([4, 5, 2])
    """

    def __init__(
        self,
        members: int,
        in_features: int,
        out_features: int,
        *,
        hidden: Sequence[int] = (128, 128),
        dropout: float = 0.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.members, self.dropout = members, dropout
        generator = torch.Generator().manual_seed(seed)
        shapes = list(itertools.pairwise([in_features, *hidden, out_features]))
        self.weights = nn.ParameterList()
        self.biases = nn.ParameterList()
        for i, (before, after) in enumerate(shapes):
            gain = 0.1 if i == len(shapes) - 1 else math.sqrt(2)
            weight = torch.randn(members, before, after, generator=generator)
            self.weights.append(nn.Parameter(gain / math.sqrt(before) * weight))
            self.biases.append(nn.Parameter(torch.zeros(members, 1, after)))

    def forward(self, x: Tensor) -> Tensor:
        h = x.expand(self.members, -1, -1)
        last = len(self.weights) - 1
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            h = torch.baddbmm(bias, h, weight)
            if i < last:
                h = F.dropout(F.silu(h), self.dropout, self.training)
        return h
