"""Densely connected networks with a Lipschitz constant below one."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from diffeo.nets.lipschitz.network import Linearized, LipschitzNet, Map, Stage
from diffeo.nets.lipschitz.spectral import LipschitzLinear
from diffeo.nets.lipschitz.swish import ConcatenatedLipSwish

__all__ = ["LipschitzDense"]


class LipschitzDense(LipschitzNet):
    """Dense network g with concatenated LipSwish and |g(x) - g(x')| <= coefficient |x - x'|.

    Every layer appends to what it reads, in learned proportions:

        h -> (h cos t, s(W h + b) sin t),

    where s is the concatenated LipSwish, of twice the layer's width and Lipschitz constant one, and
    W has a spectral norm of at most one; so |.| <= sqrt(cos^2 + sin^2) = 1. The last, linear layer
    has the coefficient itself, and starts at zero. Its layers lose less slope than those of
    ``LipschitzMLP``.

    Args:
        in_features: width of x.
        out_features: width of the result.
        hidden: units of the hidden layers, at least one; each appends twice as many numbers.
        context: width of the context, in which g is free; 0 for none.
        coefficient: the Lipschitz constant, in (0, 1).

    Shapes: x (*batch, in_features), context (*batch, context) -> (*batch, out_features).

    Raises:
        ShapeError: no hidden layer.
        ValueError: a coefficient outside (0, 1), or a width that is not a whole number >= 1.
        ContextError: at a call, for a missing context or one of another width.

    Reference: "Invertible DenseNets with Concatenated LipSwish", Perugachi-Diaz, Tomczak, Bhulai,
    2021, arXiv:2102.02694.

    Example:
        >>> import torch, diffeo
        >>> net = diffeo.nets.LipschitzDense(2, 2, hidden=(16, 16))
        >>> net(torch.zeros(5, 2)).shape
        torch.Size([5, 2])
    """

    even = False

    def __init__(
        self,
        in_features: int,
        out_features: int,
        hidden: Sequence[int] = (64, 64),
        context: int = 0,
        coefficient: float = 0.97,
    ) -> None:
        super().__init__(in_features, out_features, hidden, context, coefficient)

    def _stage(self, before: int, width: int, coefficient: float, context: int) -> Stage:
        return _Layer(before, width, coefficient, context)


class _Layer(Stage):
    """h to (h cos t, s(W h + b) sin t)."""

    def __init__(self, before: int, width: int, coefficient: float, context: int) -> None:
        super().__init__()
        self.linear = LipschitzLinear(before, width, coefficient, context)
        self.activation = ConcatenatedLipSwish()
        self.angle = nn.Parameter(torch.tensor(math.pi / 4))
        self.width = before + 2 * width

    def fixed(self, context: Tensor | None) -> Map:
        affine = self.linear.fixed(context)
        kept, share = self.angle.cos(), self.angle.sin()

        def run(h: Tensor) -> Linearized:
            value, slope = self.activation.activate(affine(h))
            slopes = (share * slope).unsqueeze(-2)

            def push(tangents: Tensor) -> Tensor:
                moved = affine.push(tangents)
                appended = torch.cat([moved, moved], dim=-1) * slopes
                own = (kept * tangents).expand(*appended.shape[:-1], -1)
                return torch.cat([own, appended], dim=-1)

            return Linearized(torch.cat([kept * h, share * value], dim=-1), push)

        return run
