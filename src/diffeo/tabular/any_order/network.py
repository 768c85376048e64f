"""A masked network whose order of columns is given anew at each call."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from diffeo.nets.layers import feature_major_linear

__all__ = ["AnyOrderNetwork"]


class AnyOrderNetwork(nn.Module):
    """Masked residual network: outputs of a column see the columns before it, in any order.

    Hidden units have degrees 0..D-1 that never change: a unit of degree d sees the first d columns
    of the order. What changes with the order is which inputs and outputs these columns own.

    Args:
        inputs: the column of each input.
        outputs: the column of each output.
        straight: indices of the outputs that all inputs also enter linearly, as in a regression.
        columns: number of columns D.
        width: units of each hidden layer.
        blocks: residual blocks of two layers.

    Reference: "MADE: Masked Autoencoder for Distribution Estimation", Germain, Gregor, Murray,
    Larochelle, 2015, arXiv:1502.03509 (section 4.2); "A Deep and Tractable Density Estimator",
    Uria, Murray, Larochelle, 2014, arXiv:1310.1757.
    """

    degrees: Tensor
    inner: Tensor
    inputs: Tensor
    outputs: Tensor
    straight: Tensor

    def __init__(
        self,
        inputs: Tensor,
        outputs: Tensor,
        straight: Tensor,
        columns: int,
        width: int,
        blocks: int,
    ) -> None:
        super().__init__()
        degrees = torch.arange(width) * columns // width
        fixed = {
            "degrees": degrees,
            "inner": degrees[:, None] >= degrees,
            "inputs": inputs,
            "outputs": outputs,
            "straight": straight,
        }
        for name, tensor in fixed.items():
            self.register_buffer(name, tensor, persistent=False)
        self.input = nn.Linear(len(inputs), width)
        self.blocks = nn.ModuleList(_Block(width) for _ in range(blocks))
        self.output = nn.Linear(width, len(outputs))
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)
        self.regression = nn.Parameter(torch.zeros(len(straight), len(inputs)))

    def forward(self, x: Tensor, rank: Tensor) -> Tensor:
        """(rows, inputs) and each column's place 1..D in the order, (D,) -> (rows, outputs)."""
        before = rank[self.inputs]
        after = rank[self.outputs]
        h = F.linear(x, self.input.weight * (self.degrees[:, None] >= before), self.input.bias)
        for block in self.blocks:
            h = block(h, self.inner)
        seen = self.output.weight * (after[:, None] > self.degrees)
        out = feature_major_linear(F.silu(h), seen, self.output.bias)
        if not len(self.straight):
            return out
        weight = self.regression * (after[self.straight, None] > before)
        # as exact as the outputs to which it is added
        added = feature_major_linear(x, weight, weight.new_zeros(len(weight)))
        return out.index_add(1, self.straight, added)


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Linear(width, width)
        self.second = nn.Linear(width, width)
        # the block starts as a small correction
        with torch.no_grad():
            self.second.weight.mul_(0.1)

    def forward(self, h: Tensor, mask: Tensor) -> Tensor:
        inner = F.linear(F.silu(h), self.first.weight * mask, self.first.bias)
        return h + F.linear(F.silu(inner), self.second.weight * mask, self.second.bias)
