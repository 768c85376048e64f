"""Parameter-free maps between the common supports: Exp, Softplus, Sigmoid, Tanh, Power.

The log-derivative of their inverses is -inf outside the support, where a flow's density is 0.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from diffeo.supports import Interval, Positive
from diffeo.univariates.guards import log_largest, zero_density_outside
from diffeo.univariates.univariate import Univariate

__all__ = ["Exp", "Power", "Sigmoid", "Softplus", "Tanh"]


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
        x = x.clamp(-bound, log_largest(x))
        return x.exp(), x

    def inverse(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        x = y.clamp(min=torch.finfo(y.dtype).tiny).log()
        return x, zero_density_outside(self.codomain, y, -x)


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
        return safe + log_slope, zero_density_outside(self.codomain, y, -log_slope)


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
        return x, zero_density_outside(self.codomain, y, -self._log_slope(x))


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
        return x, zero_density_outside(self.codomain, y, -self._log_slope(x))


class Power(Univariate):
    """y = x^p, from the positive numbers onto themselves.

    The log-derivative is log |p| + (p - 1) log(x); a negative p makes it decreasing. Where the
    result would leave the range of the dtype x is clamped; for x <= 0 the log-derivative is -inf.

    Args:
        exponent: p, not 0.

    Raises:
        ValueError: an exponent that is 0 or not finite.

    Example:
        >>> import torch, diffeo
        >>> diffeo.univariates.Power(3.0).forward(torch.full((1,), 2.0), torch.empty(0, 1))[0]
        tensor([8.])
    """

    domain = Positive()
    codomain = Positive()

    def __init__(self, exponent: float) -> None:
        if not math.isfinite(exponent) or exponent == 0:
            raise ValueError(f"Power: exponent must be finite and not 0, got {exponent!r}")
        self.exponent = float(exponent)

    def _raise(self, x: Tensor, p: float) -> tuple[Tensor, Tensor]:
        # neither the power nor its derivative may overflow or vanish
        room = -math.log(torch.finfo(x.dtype).tiny) - abs(math.log(abs(p)))
        bound = room / (abs(p) + 1)
        safe = x.clamp(math.exp(-bound), math.exp(bound))
        log_slope = math.log(abs(p)) + (p - 1) * safe.log()
        return safe**p, zero_density_outside(self.domain, x, log_slope)

    def forward(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        return self._raise(x, self.exponent)

    def inverse(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        return self._raise(y, 1 / self.exponent)
