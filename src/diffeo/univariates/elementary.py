"""Parameter-free maps onto the common supports: Exp, Softplus, Sigmoid, Tanh.

The log-derivative of their inverses is -inf outside the support, where a flow's density is 0.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from diffeo.supports import Interval, Positive
from diffeo.univariates.univariate import Univariate

__all__ = ["Exp", "Sigmoid", "Softplus", "Tanh"]


def _log_largest(x: Tensor) -> float:
    """The largest argument of exp whose result is finite, with room for one rounding."""
    return math.log(torch.finfo(x.dtype).max) - 1e-3


def _unless_outside(univariate: Univariate, y: Tensor, log_slope: Tensor) -> Tensor:
    """-inf where ``y`` is outside the codomain, so that a density is zero there."""
    outside = ~univariate.codomain.contains(y) & ~y.isnan()
    return log_slope.masked_fill(outside, -torch.inf)


class Exp(Univariate):
    """y = exp(x), from the reals onto the positive numbers; log-derivative x.

    Beyond the range of the dtype (|x| > 88 in float32) x is clamped.

    Example:
        >>> import torch, diffeo
        >>> diffeo.univariates.Exp().forward(torch.zeros(1), torch.empty(0, 1))
        (tensor([1.]), tensor([0.]))
    """

    codomain = Positive()

    def forward(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        # exp(-bound) is still a normal number, so the inverse finds the way back
        bound = -math.log(torch.finfo(x.dtype).tiny)
        x = x.clamp(-bound, _log_largest(x))
        return x.exp(), x

    def inverse(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        x = y.clamp(min=torch.finfo(y.dtype).tiny).log()
        return x, _unless_outside(self, y, -x)


class Softplus(Univariate):
    """y = log(1 + exp(x)), from the reals onto the positive numbers; log-derivative log sigmoid(x).

    Far in the lower tail (x < -87 in float32) x is clamped.

    Example:
        >>> import torch, diffeo
        >>> diffeo.univariates.Softplus().forward(torch.zeros(1), torch.empty(0, 1))[0]
        tensor([0.6931])
    """

    codomain = Positive()

    def forward(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        x = x.clamp(min=math.log(torch.finfo(x.dtype).tiny))
        # logaddexp keeps full relative precision in both tails
        return torch.logaddexp(x, torch.zeros_like(x)), F.logsigmoid(x)

    def inverse(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        safe = y.clamp(min=torch.finfo(y.dtype).tiny)
        log_slope = torch.log(-torch.expm1(-safe))  # log sigmoid(x)
        return safe + log_slope, _unless_outside(self, y, -log_slope)


class Sigmoid(Univariate):
    """y = low + (high - low) / (1 + exp(-x)), from the reals onto the interval (low, high).

    The log-derivative is log(high - low) + log sigmoid(x) + log sigmoid(-x). Values of y that
    round onto a bound are taken as the nearest number inside it.

    Args:
        low: lower bound.
        high: upper bound, greater than ``low``.

    Raises:
        ValueError: if the bounds are not finite and ordered.

    Example:
        >>> import torch, diffeo
        >>> diffeo.univariates.Sigmoid(0.0, 10.0).forward(torch.zeros(1), torch.empty(0, 1))[0]
        tensor([5.])
    """

    def __init__(self, low: float = 0.0, high: float = 1.0) -> None:
        self.codomain = Interval(low, high)
        self.low = float(low)
        self.width = float(high) - float(low)

    def _log_slope(self, x: Tensor) -> Tensor:
        return math.log(self.width) + F.logsigmoid(x) + F.logsigmoid(-x)

    def forward(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        return self.low + self.width * torch.sigmoid(x), self._log_slope(x)

    def inverse(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        info = torch.finfo(y.dtype)
        u = ((y - self.low) / self.width).clamp(info.tiny, 1 - info.eps)
        x = u.log() - torch.log1p(-u)
        return x, _unless_outside(self, y, -self._log_slope(x))


class Tanh(Univariate):
    """y = tanh(x), from the reals onto (-1, 1).

    The log-derivative is 2 (log 2 - x - log(1 + exp(-2x))). Values of y that round onto a bound
    are taken as the nearest number inside it.

    Example:
        >>> import torch, diffeo
        >>> diffeo.univariates.Tanh().forward(torch.zeros(1), torch.empty(0, 1))
        (tensor([0.]), tensor([0.]))
    """

    codomain = Interval(-1.0, 1.0)

    def _log_slope(self, x: Tensor) -> Tensor:
        # even in x, so written in |x|, where nothing cancels
        size = x.abs()
        return 2 * (math.log(2) - size - torch.log1p(torch.exp(-2 * size)))

    def forward(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        return x.tanh(), self._log_slope(x)

    def inverse(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        bound = 1 - torch.finfo(y.dtype).eps
        x = y.clamp(-bound, bound).atanh()
        return x, _unless_outside(self, y, -self._log_slope(x))
