"""Planar layers, and the tanh residual that Sylvester layers share with them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from diffeo import kernels
from diffeo.checks import check_batch, check_features
from diffeo.errors import ShapeError
from diffeo.roots import invert_increasing
from diffeo.transforms.amortised import Amortised
from diffeo.transforms.fused import run_alone
from diffeo.univariates.bounded import soft_bound

__all__ = [
    "Planar",
    "PlanarStack",
    "largest_log_slope",
    "tanh_residual",
    "tanh_residual_log_slope",
]

# u, w, b and log(1 + w . u)
Vectors = tuple[Tensor, Tensor, Tensor, Tensor]


def largest_log_slope(raw: Tensor) -> Tensor:
    """asinh(raw), smoothly bounded by log 1000: log(1 + s) for an s > -1 from any real ``raw``.

    s = raw + O(raw^2) near 0, and s grows linearly where exp(raw) would explode.
    """
    return soft_bound(torch.asinh(raw))


def tanh_residual_log_slope(log_top: Tensor, at: Tensor) -> Tensor:
    """log(1 + (exp(log_top) - 1) / cosh(at)^2), as a sum of positive terms: nothing cancels."""
    shrunk = -2 * at.abs()
    # 1 / cosh^2 = 4 e / (1 + e)^2 and tanh^2 = (1 - e)^2 / (1 + e)^2 with e = exp(-2 |at|)
    terms = 4 * torch.exp(log_top + shrunk) + torch.expm1(shrunk).square()
    return terms.log() - 2 * torch.log1p(shrunk.exp())


def tanh_residual(
    z: Tensor, scale: Tensor, rate: Tensor | float, shift: Tensor, log_top: Tensor
) -> tuple[Tensor, Tensor]:
    """z + scale tanh(rate z + shift), and its log-slope, where 1 + scale rate = exp(log_top)."""
    at = rate * z + shift
    return z + scale * at.tanh(), tanh_residual_log_slope(log_top, at)


class Planar(Amortised):
    """y = x + u tanh(w . x + b), a bend along one direction:

        ladj = log(1 + w . u (1 - tanh(w . x + b)^2)).

    The layer is invertible where w . u > -1: u is a free vector whose part along w is changed so
    that 1 + w . u = exp(c tanh(asinh(w . u_free) / c)), c = log 1000, so that slopes along w stay
    between 1/1000 and 1000. The inverse solves w . y = a + w . u tanh(a + b) for a = w . x by
    bracketing. Starts at the identity (u = 0), in a random direction w.

    Args:
        features: number of features D.
        context: width of the context; 0 for parameters that do not depend on one.
        hidden: hidden widths of the network that predicts u, w, b from context.

    Shapes: x (*batch, D), context (*batch, context).

    Raises:
        ShapeError: fewer than one feature, or events of another shape.
        ContextError: a missing context, or one of another width.

    Reference: "Variational Inference with Normalizing Flows", Rezende, Mohamed, 2015,
    arXiv:1505.05770 (section 4.1 and appendix A.1).

    Example:
        >>> import torch, diffeo
        >>> layer = diffeo.transforms.Planar(3, context=2)
        >>> y, ladj = layer(torch.zeros(5, 3), torch.zeros(5, 2))
    """

    def __init__(
        self, features: int, *, context: int = 0, hidden: Sequence[int] = (128, 128)
    ) -> None:
        check_features("Planar", features)
        super().__init__((features,))
        self._learn(_initial(features), context, hidden)

    def vectors(self, x: Tensor, context: Tensor | None = None) -> Vectors:
        """u and w (*batch, D), b and log(1 + w . u) (*batch), in the dtype of ``x``."""
        return _vectors(self._params(x, context))

    def kernel_steps(self, *, inverted: bool) -> Sequence[kernels.Step] | None:
        return None if inverted else _kernel_steps(self)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        fused = run_alone(self, x, context, inverted=False)
        return self._plain_forward(x, context) if fused is None else fused

    def _plain_forward(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        x = check_batch(self, x, context, self.in_shape, self.context)
        return _bend(x, self.vectors(x, context))

    def inverse(self, y: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        y = check_batch(self, y, context, self.in_shape, self.context)
        return _unbend(y, self.vectors(y, context))


class PlanarStack(Amortised):
    """Planar layers one after another, with the parameters of all of them in one tensor.

    The same map as so many ``Planar``s, but a pass, its gradient and an optimiser's step handle
    one tensor: what a stack of tiny layers costs is the number of operations, not arithmetic.

    Args:
        features: number of features D.
        layers: how many bends.
        context: width of the context; 0 for parameters that do not depend on one.
        hidden: hidden widths of the one network that predicts all parameters from context.

    Shapes: x (*batch, D), context (*batch, context).

    Raises:
        ShapeError: fewer than one feature or layer, or events of another shape.
        ContextError: a missing context, or one of another width.

    Reference: "Variational Inference with Normalizing Flows", Rezende, Mohamed, 2015,
    arXiv:1505.05770 (section 4.1 and appendix A.1).

    Example:
        >>> import torch, diffeo
        >>> layers = diffeo.transforms.PlanarStack(3, layers=8)
        >>> y, ladj = layers(torch.zeros(5, 3))
    """

    def __init__(
        self,
        features: int,
        layers: int,
        *,
        context: int = 0,
        hidden: Sequence[int] = (128, 128),
    ) -> None:
        check_features("PlanarStack", features)
        if layers < 1:
            raise ShapeError(f"PlanarStack: layers must be at least 1, got {layers}")
        super().__init__((features,))
        initial = torch.stack([_initial(features) for _ in range(layers)])
        self._learn(initial, context, hidden)

    def vectors(self, x: Tensor, context: Tensor | None = None) -> list[Vectors]:
        """u, w, b and log(1 + w . u) of each layer, as ``Planar.vectors``."""
        return [_vectors(raw) for raw in self._params(x, context).unbind(-2)]

    def kernel_steps(self, *, inverted: bool) -> Sequence[kernels.Step] | None:
        return None if inverted else _kernel_steps(self)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        fused = run_alone(self, x, context, inverted=False)
        return self._plain_forward(x, context) if fused is None else fused

    def _plain_forward(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        x = check_batch(self, x, context, self.in_shape, self.context)
        total = x.new_zeros(x.shape[:-1])
        for vectors in self.vectors(x, context):
            x, ladj = _bend(x, vectors)
            total = total + ladj
        return x, total

    def inverse(self, y: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        y = check_batch(self, y, context, self.in_shape, self.context)
        total = y.new_zeros(y.shape[:-1])
        for vectors in reversed(self.vectors(y, context)):
            y, ladj = _unbend(y, vectors)
            total = total + ladj
        return y, total


def _initial(features: int) -> Tensor:
    """The identity (u = 0), in a random direction w."""
    direction = torch.randn(features) / math.sqrt(features)
    return torch.cat([torch.zeros(features), direction, torch.randn(1)])


def _vectors(raw: Tensor) -> Vectors:
    """u, w, b and log(1 + w . u) from raw parameters (..., 2 D + 1)."""
    features = raw.shape[-1] // 2
    free, w, b = raw.split([features, features, 1], dim=-1)
    along = (free * w).sum(-1)
    log_top = largest_log_slope(along)
    # near w = 0 the change is of second order in w . u_free, so the quotient stays bounded
    square = w.square().sum(-1).clamp(min=torch.finfo(w.dtype).tiny)
    u = free
    # a long free vector loses digits in its change; the second one takes up the rest
    for _ in range(2):
        missing = log_top.expm1() - (u * w).sum(-1)
        u = u + (missing / square)[..., None] * w
    return u, w, b.squeeze(-1), log_top


def _bend(x: Tensor, vectors: Vectors) -> tuple[Tensor, Tensor]:
    u, w, b, log_top = vectors
    at = (w * x).sum(-1) + b
    return x + u * at.tanh()[..., None], tanh_residual_log_slope(log_top, at)


def _unbend(y: Tensor, vectors: Vectors) -> tuple[Tensor, Tensor]:
    u, w, b, log_top = vectors
    scale = log_top.expm1()
    along = (w * y).sum(-1)
    reach = scale.abs()
    a, ladj = invert_increasing(
        lambda a: tanh_residual(a, scale, 1.0, b, log_top),
        along,
        along - reach,
        along + reach,
        "Planar",
    )
    return y - u * torch.tanh(a + b)[..., None], ladj


def _kernel_steps(layer: Planar | PlanarStack) -> Sequence[kernels.Step] | None:
    if layer.conditioner is not None or layer.in_shape[0] > kernels.MOST_PLANAR:
        return None
    return [kernels.Planar(layer, layer.params)]
