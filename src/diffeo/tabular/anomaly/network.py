"""One network for the distribution of each column given any of the others."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["ConditionalMixtures"]

# least standard deviation of a component; noise in training keeps fitted ones above it
LEAST_SCALE = 0.05
# beyond so many columns, weights from each to each would cost more than all others
STRAIGHT = 256


class ConditionalMixtures(nn.Module):
    """p(x_i | the columns seen) for every column i, as mixtures of normals.

    The network sees the values of the columns seen, and marks of which they are; its outputs for
    hidden columns are weights, means and scales. There are no masks inside: any set of columns may
    be seen, and a column's own output means something only where it is hidden.

    Args:
        columns: number of columns D.
        width: units of each hidden layer.
        components: of each mixture.

    Reference: "A Deep and Tractable Density Estimator", Uria, Murray, Larochelle, 2014,
    arXiv:1310.1757.
    """

    def __init__(self, columns: int, width: int = 96, components: int = 3) -> None:
        super().__init__()
        self.columns, self.components = columns, components
        self.input = nn.Linear(2 * columns, width)
        self.hidden = nn.ModuleList(nn.Linear(width, width) for _ in range(2))
        self.output = nn.Linear(width, columns * 3 * components)
        self.regression = nn.Linear(2 * columns, columns) if columns <= STRAIGHT else None
        # at first the same three components for every column, whatever is seen
        with torch.no_grad():
            self.output.weight.mul_(0.1)
            if self.regression is not None:
                nn.init.zeros_(self.regression.weight)
                nn.init.zeros_(self.regression.bias)
            start = torch.zeros(columns, 3, components)
            start[:, 1] = torch.linspace(-1, 1, components) if components > 1 else 0.0
            start[:, 2] = 0.5
            self.output.bias.copy_(start.flatten())

    def forward(self, x: Tensor, seen: Tensor, columns: Tensor) -> Tensor:
        """log p(x_i | the columns seen) of the hidden columns i asked for.

        Args:
            x: (rows, D), finite.
            seen: (rows, D), 1 where seen, 0 where hidden.
            columns: (k,), which columns to give.

        Returns:
            (rows, k).
        """
        inputs = torch.cat([x * seen, seen], -1)
        h = F.relu(self.input(inputs))
        for layer in self.hidden:
            h = h + F.relu(layer(h))
        last = (self.output.weight, self.output.bias)
        weight, bias = (p.unflatten(0, (self.columns, -1))[columns] for p in last)
        out = F.linear(h, weight.flatten(0, 1), bias.flatten())
        log_weight, location, scale = out.unflatten(-1, (-1, 3, self.components)).unbind(-2)
        scale = LEAST_SCALE + F.softplus(scale)
        z = (self._residual(x, inputs, columns)[..., None] - location) / scale
        each = torch.log_softmax(log_weight, -1) - z * z / 2 - scale.log()
        return torch.logsumexp(each, -1) - 0.5 * math.log(2 * math.pi)

    def _residual(self, x: Tensor, inputs: Tensor, columns: Tensor) -> Tensor:
        """What a linear regression on the columns seen leaves of those asked for, (rows, k)."""
        if self.regression is None:
            return x[:, columns]
        weight, bias = self.regression.weight[columns], self.regression.bias[columns]
        return x[:, columns] - F.linear(inputs, weight, bias)
