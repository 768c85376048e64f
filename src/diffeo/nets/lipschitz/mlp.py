"""Multi-layer perceptrons with a Lipschitz constant below one."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from diffeo.nets.lipschitz.network import Linearized, LipschitzNet, Map, Stage
from diffeo.nets.lipschitz.spectral import LipschitzLinear
from diffeo.nets.lipschitz.swish import LipSwish

__all__ = ["LipschitzMLP"]


class LipschitzMLP(LipschitzNet):
    """Perceptron g with LipSwish activations and |g(x) - g(x')| <= coefficient |x - x'|.

    The bound holds for every weight, as each matrix is divided by a bound of its spectral norm
    where that exceeds its share, coefficient^(1 / (L + 1)) for L hidden layers. The last layer
    starts at zero.

    Args:
        in_features: width of x.
        out_features: width of the result.
        hidden: widths of the hidden layers, at least one.
        context: width of the context, in which g is free; 0 for none.
        coefficient: the Lipschitz constant, in (0, 1).

    Shapes: x (*batch, in_features), context (*batch, context) -> (*batch, out_features).

    Raises:
        ShapeError: no hidden layer.
        ValueError: a coefficient outside (0, 1), or a width that is not a whole number >= 1.
        ContextError: at a call, for a missing context or one of another width.

    Reference: "Residual Flows for Invertible Generative Modeling", Chen, Behrmann, Duvenaud,
    Jacobsen, 2019, arXiv:1906.02735.

    Example:
        >>> import torch, diffeo
        >>> net = diffeo.nets.LipschitzMLP(2, 2, hidden=(16, 16))
        >>> net(torch.zeros(5, 2)).shape
        torch.Size([5, 2])
    """

    even = True

    def __init__(
        self,
        in_features: int,
        out_features: int,
        hidden: Sequence[int] = (128, 128),
        context: int = 0,
        coefficient: float = 0.97,
    ) -> None:
        super().__init__(in_features, out_features, hidden, context, coefficient)

    def _stage(self, before: int, width: int, coefficient: float, context: int) -> Stage:
        return _Layer(before, width, coefficient, context)


class _Layer(Stage):
    """h to LipSwish(W h + b)."""

    def __init__(self, before: int, width: int, coefficient: float, context: int) -> None:
        super().__init__()
        self.linear = LipschitzLinear(before, width, coefficient, context)
        self.activation = LipSwish()
        self.width = width

    def fixed(self, context: Tensor | None) -> Map:
        affine = self.linear.fixed(context)

        def run(h: Tensor) -> Linearized:
            value, slope = self.activation.activate(affine(h))
            return Linearized(value, lambda t: affine.push(t) * slope.unsqueeze(-2))

        return run
