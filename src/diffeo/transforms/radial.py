"""Radial layers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from diffeo.checks import check_batch, check_features
from diffeo.transforms.amortised import Amortised
from diffeo.transforms.planar import largest_log_slope
from diffeo.univariates.bounded import soft_bound

__all__ = ["Radial"]


class Radial(Amortised):
    """y = x + beta h(r) (x - x0) with r = |x - x0| and h(r) = 1 / (alpha + r), around a point:

        ladj = (D - 1) log(1 + beta h) + log(1 + beta h + beta h' r),   h' = -1 / (alpha + r)^2.

    The layer is invertible where beta > -alpha: log alpha and log(1 + beta / alpha) are free
    numbers, smoothly bounded by log 1000. The inverse is in closed form: r is the positive root of
    r^2 + r (alpha + beta - |y - x0|) - alpha |y - x0|. Starts at the identity (beta = 0), around a
    random point x0.

    Args:
        features: number of features D.
        context: width of the context; 0 for parameters that do not depend on one.
        hidden: hidden widths of the network that predicts x0, alpha, beta from context.

    Shapes: x (*batch, D), context (*batch, context).

    Raises:
        ShapeError: fewer than one feature, or events of another shape.
        ContextError: a missing context, or one of another width.

    Reference: "Variational Inference with Normalizing Flows", Rezende, Mohamed, 2015,
    arXiv:1505.05770 (section 4.1 and appendix A.2).

    Example:
        >>> import torch, diffeo
        >>> layer = diffeo.transforms.Radial(3, context=2)
        >>> y, ladj = layer(torch.zeros(5, 3), torch.zeros(5, 2))
    """

    def __init__(
        self, features: int, *, context: int = 0, hidden: Sequence[int] = (128, 128)
    ) -> None:
        check_features("Radial", features)
        super().__init__((features,))
        self._learn(torch.cat([torch.randn(features), torch.zeros(2)]), context, hidden)

    def shape_of(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, ...]:
        """x0 (*batch, D), alpha and alpha + beta (*batch), in the dtype of ``x``."""
        params = self._params(x, context)
        alpha = soft_bound(params[..., -2]).exp()
        return params[..., :-2], alpha, alpha * largest_log_slope(params[..., -1]).exp()

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        x = check_batch(self, x, context, self.in_shape, self.context)
        centre, alpha, inner = self.shape_of(x, context)
        step = x - centre
        r = _length(step)
        # beta = inner - alpha, and 1 + beta h = (r + inner) / (r + alpha)
        y = x + ((inner - alpha) / (r + alpha))[..., None] * step
        return y, self._ladj(r, alpha, inner)

    def inverse(self, y: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        y = check_batch(self, y, context, self.in_shape, self.context)
        centre, alpha, inner = self.shape_of(y, context)
        step = y - centre
        r = _radius_before(_length(step), alpha, inner)
        x = y - ((inner - alpha) / (r + inner))[..., None] * step
        return x, -self._ladj(r, alpha, inner)

    def _ladj(self, r: Tensor, alpha: Tensor, inner: Tensor) -> Tensor:
        # both factors are means of 1 and inner / alpha, so nothing cancels
        near = alpha / (r + alpha)
        far = r / (r + alpha)
        top = inner / alpha
        across = torch.log(far + top * near)
        along = torch.log(far * (1 + near) + top * near.square())
        return (self.in_shape[0] - 1) * across + along


def _length(step: Tensor) -> Tensor:
    """|step|, with gradient 0 at 0, where the norm has none."""
    tiny = torch.finfo(step.dtype).tiny
    return step.square().sum(-1).clamp(min=tiny).sqrt()


def _radius_before(after: Tensor, alpha: Tensor, inner: Tensor) -> Tensor:
    """The positive root r of r^2 + r (inner - after) - alpha after."""
    middle = inner - after
    product = alpha * after
    # of the two ways to write the root, the one that does not subtract
    larger = middle.abs() + torch.sqrt(middle.square() + 4 * product)
    return torch.where(middle > 0, 2 * product / larger, larger / 2)
