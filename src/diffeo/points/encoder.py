"""A network of sets of points, whose order does not matter."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from diffeo.checks import check_features
from diffeo.described import Described
from diffeo.errors import ShapeError
from diffeo.nets import MLP, StandardizeContext
from diffeo.nets.layers import compress

__all__ = ["PointEncoder"]


class PointEncoder(Described, nn.Module):
    """One network for every point, two means over the points, a network of these:

        code = g([log mean_i exp h(x_i), mean_i h(x_i)]).

    The code is that of a set: it does not change with the order of the points, and takes any
    number of them. The first mean is a smooth maximum; unlike PointNet's, it does not grow with the
    number of points, so that few points of a shape and many have codes that are alike.

    Args:
        dim: coordinates of a point.
        out_features: width of the code.
        hidden: widths of the network h of every point.
        head: hidden widths of the network g.

    Shapes: x (rows, points, dim) -> (rows, out_features).

    Raises:
        ShapeError: sizes below 1; at a call, clouds of other dimension, or without points.

    Reference: "PointNet: Deep Learning on Point Sets for 3D Classification and Segmentation", Qi,
    Su, Mo, Guibas, 2016, arXiv:1612.00593; "Deep Sets", Zaheer, Kottur, Ravanbakhsh, Poczos,
    Salakhutdinov, Smola, 2017, arXiv:1703.06114.

    Example:
        >>> import torch
        >>> from diffeo.points import PointEncoder
        >>> x, encoder = torch.randn(2, 100, 3), PointEncoder(3, 16)
        >>> bool(torch.allclose(encoder(x), encoder(x.flip(1)), atol=1e-5))
        True
    """

    def __init__(
        self,
        dim: int,
        out_features: int,
        hidden: Sequence[int] = (64, 128, 256),
        head: Sequence[int] = (256,),
    ) -> None:
        super().__init__()
        check_features("PointEncoder", dim)
        check_features("PointEncoder", out_features)
        if not hidden:
            raise ShapeError("PointEncoder: hidden must name at least one layer's width, got none")
        self.dim = dim
        widths = (dim, *hidden)
        self.each = nn.ModuleList(
            nn.Linear(before, after) for before, after in itertools.pairwise(widths)
        )
        self.scale = StandardizeContext(2 * hidden[-1])
        self.head = MLP(2 * hidden[-1], out_features, head)
        # an MLP starts at zero, and a code that is the same for all clouds teaches nothing
        nn.init.kaiming_uniform_(self.head.output.weight, a=5**0.5)

    def initialize(self, x: Tensor) -> None:
        """Bring what the head sees to mean 0 and variance 1 over clouds (rows, points, dim), once.

        The means over the points of any shapes differ by little at the start, and the network would
        be long in finding it.
        """
        with torch.no_grad():
            self.scale.initialize(self._pooled(x))

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim != 3 or x.shape[-1] != self.dim or not x.shape[1]:
            raise ShapeError(
                f"PointEncoder: expected clouds of shape (rows, points, {self.dim}) with at least "
                f"one point, got {tuple(x.shape)}"
            )
        code: Tensor = self.head(self.scale(self._pooled(x)))
        return code

    def _pooled(self, x: Tensor) -> Tensor:
        """Both means over the points (rows, 2 * hidden[-1])."""
        x = compress(x)
        for layer in self.each[:-1]:
            x = F.silu(layer(x))
        x = self.each[-1](x)
        highest = x.logsumexp(1) - math.log(x.shape[1])
        return torch.cat([highest, x.mean(1)], dim=-1)
