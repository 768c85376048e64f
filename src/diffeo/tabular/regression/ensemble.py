"""An ensemble of networks that predict a mixture of logistics each."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from diffeo.nets.packed import PackedMLP
from diffeo.nets.piecewise_linear import PiecewiseLinear
from diffeo.tabular.regression.capacity import Capacity
from diffeo.tabular.regression.logistics import Logistics
from diffeo.univariates.bounded import soft_bound
from diffeo.univariates.mixed import spread

__all__ = ["LogisticEnsemble"]


class LogisticEnsemble(nn.Module):
    """p_k(y | x) of members k = 1..K, with y and x standardised.

    Args:
        features: width of x.
        capacity: sizes.
        seed: of the initial weights.

    Shapes: x (K, rows, features), or (1, rows, features) for one input to all -> mixtures
    (K, rows, components).
    """

    offset: Tensor

    def __init__(self, features: int, capacity: Capacity, seed: int) -> None:
        super().__init__()
        count = capacity.components
        self.encoding = PiecewiseLinear(features)
        self.net = PackedMLP(
            capacity.members,
            self.encoding.width,
            3 * count,
            hidden=capacity.hidden,
            dropout=capacity.dropout,
            seed=seed,
        )
        # units that start alike take long to part
        start = [*[0.0] * count, *spread(count), *[math.log(0.5)] * count]
        self.register_buffer("offset", torch.tensor(start))

    def forward(self, x: Tensor) -> Logistics:
        log_weight, location, log_scale = (self.net(self.encoding(x)) + self.offset).chunk(3, -1)
        # a thousandth of the target's deviation is the least scale: no density diverges
        return Logistics(torch.log_softmax(log_weight, -1), location, soft_bound(log_scale))
