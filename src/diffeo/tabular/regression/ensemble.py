"""An ensemble of networks that predict a mixture of logistics each."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from diffeo.nets.packed import PackedMLP
from diffeo.nets.piecewise_linear import PiecewiseLinear
from diffeo.nets.whitening import Whitening
from diffeo.tabular.regression.capacity import Capacity
from diffeo.tabular.regression.logistics import Logistics
from diffeo.univariates.bounded import soft_bound
from diffeo.univariates.mixed import spread

__all__ = ["LogisticEnsemble"]


# members in turn see the bins of every column, or its principal components
KINDS = 2


class LogisticEnsemble(nn.Module):
    """p_k(y | x) of members k = 0..K-1, with y and x standardised.

    Members of even k see the columns and their bins, for functions that jump and bend; those of
    odd k see the columns and their principal components, for smooth functions, which bins cut up.

    Args:
        features: width of x.
        capacity: sizes.
        seed: of the initial weights.

    Shapes: x (K, rows, features), or (1, rows, features) for one input to all -> mixtures
    (K, rows, components).
    """

    offset: Tensor
    seen: Tensor
    log_share: Tensor

    def __init__(self, features: int, capacity: Capacity, seed: int) -> None:
        super().__init__()
        count = capacity.components
        self.encoding = PiecewiseLinear(features)
        self.whitening = Whitening(features)
        width = self.encoding.width + features
        self.net = PackedMLP(
            capacity.members,
            width,
            3 * count,
            hidden=capacity.hidden,
            dropout=capacity.dropout,
            seed=seed,
        )
        # units that start alike take long to part
        start = [*[0.0] * count, *spread(count), *[math.log(0.5)] * count]
        self.register_buffer("offset", torch.tensor(start))
        kind = torch.arange(capacity.members)[:, None, None] % KINDS
        column, end = torch.arange(width), self.encoding.width
        of_kind = torch.where(column < end, 0, 1)
        self.register_buffer("seen", ((column < features) | (of_kind == kind)).float())
        with torch.no_grad():
            # as a network of only the inputs that it sees would start
            self.net.weights[0].mul_(torch.sqrt(width / self.seen.sum(-1, keepdim=True)))
        self.register_buffer("log_share", torch.zeros(capacity.members).log_softmax(0))

    def initialize(self, x: Tensor) -> None:
        """Take bins and components from rows (rows, features)."""
        self.encoding.initialize(x)
        self.whitening.initialize(x)

    def forward(self, x: Tensor) -> Logistics:
        inputs = torch.cat([self.encoding(x), self.whitening(x)], -1) * self.seen
        log_weight, location, log_scale = (self.net(inputs) + self.offset).chunk(3, -1)
        # a thousandth of the target's deviation is the least scale: no density diverges
        return Logistics(torch.log_softmax(log_weight, -1), location, soft_bound(log_scale))

    def mixture(self, x: Tensor) -> Logistics:
        """The density of all members, at x (rows, features)."""
        return self(x[None]).merged(self.log_share)
