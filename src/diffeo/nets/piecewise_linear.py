"""Columns of a table as a network reads them best: by how far they are through their quantiles."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from diffeo.described import Described
from diffeo.nets.layers import compress

__all__ = ["PiecewiseLinear"]

# torch.quantile refuses more numbers than this at once
_MOST = 1 << 24


class PiecewiseLinear(Described, nn.Module):
    """Each column x beside the share of each of its bins [a_k, b_k] that x has passed:

        (x_compressed, clip((x - a_1) / (b_1 - a_1), 0, 1) - 1/2, clip(...) - 1/2, ...).

    Bins lie between quantiles, or between the values of a column of few. A network bends where the
    data are dense without having to learn large weights, and what it sees is bounded. All zero
    beside x before ``initialize``.

    Args:
        features: number of columns.
        bins: bins of a column at most; a column with ties has fewer, the rest of them 0.

    Shapes: x (*batch, features), standardised -> (*batch, features * (1 + bins)).

    Reference: "On Embeddings for Numerical Features in Tabular Deep Learning", Gorishniy, Rubachev,
    Babenko, 2022, arXiv:2203.05556.

    Example:
        >>> import torch
        >>> from diffeo.nets.piecewise_linear import PiecewiseLinear
        >>> encoding = PiecewiseLinear(1, bins=2)
        >>> encoding.initialize(torch.tensor([[0.0], [1.0], [3.0]]))
        >>> encoding(torch.tensor([[2.0]]))[0, 1:]
        tensor([0.5000, 0.0000])
    """

    start: Tensor
    rate: Tensor

    def __init__(self, features: int, bins: int = 16) -> None:
        super().__init__()
        self.bins = bins
        self.width = features * (1 + bins)
        self.register_buffer("start", torch.zeros(features, bins))
        self.register_buffer("rate", torch.zeros(features, bins))

    @torch.no_grad()
    def initialize(self, x: Tensor) -> None:
        """Take the bins from rows (rows, features)."""
        for i, column in enumerate(x.unbind(1)):
            edges = _edges(column, self.bins)
            widths = edges.diff()
            self.start[i, : len(widths)] = edges[:-1]
            self.rate[i, : len(widths)] = 1 / widths

    def forward(self, x: Tensor) -> Tensor:
        share = ((x[..., None] - self.start) * self.rate).clamp(0, 1)
        # bins that a column lacks are 0 rather than at their start
        centred = share - 0.5 * (self.rate > 0)
        return torch.cat([compress(x), centred.flatten(-2)], -1)


def _edges(column: Tensor, bins: int) -> Tensor:
    """At most ``bins`` + 1 increasing edges."""
    values = column.unique()
    if len(values) <= bins + 1:
        return values
    thinned = column[:: len(column) // _MOST + 1].double()
    levels = torch.linspace(0, 1, bins + 1, dtype=torch.float64, device=column.device)
    # edges that differ by rounding only would make a bin of infinite slope
    edges = thinned.quantile(levels).to(column).unique()
    wide = edges.diff() > 1e-6 * (edges[-1] - edges[0])
    return torch.cat([edges[:1], edges[1:][wide]])
