"""Distribution functions, from the reals onto (0, 1): CauchyCDF, NormalCDF."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from diffeo.supports import Interval
from diffeo.univariates.guards import zero_density_outside
from diffeo.univariates.univariate import Univariate

__all__ = ["CauchyCDF", "NormalCDF"]


class CauchyCDF(Univariate):
    """y = 1/2 + atan(x) / pi, from the reals onto (0, 1); log-derivative -log(pi (1 + x^2)).

    The lower tail keeps its relative precision. Values of y nearer to a bound than the square root
    of the smallest number (or than rounding, at 1) are taken as that far from it.

    Example:
        >>> import torch, diffeo
        >>> diffeo.univariates.CauchyCDF().forward(torch.ones(1), torch.empty(0, 1))[0]
        tensor([0.7500])
    """

    codomain = Interval(0.0, 1.0)

    def forward(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        one = torch.ones_like(x)
        # the angle from the negative axis: no difference that cancels in the lower tail
        y = torch.atan2(one, -x) / math.pi
        return y, -math.log(math.pi) - 2 * torch.hypot(one, x).log()

    def inverse(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        low = y < 0.5
        # 1 / small^2, which gradients hold, must stay finite
        small = torch.where(low, y, 1 - y).clamp(min=4 * math.sqrt(torch.finfo(y.dtype).tiny))
        angle = math.pi * small
        size = angle.cos() / angle.sin()
        log_slope = math.log(math.pi) - 2 * angle.sin().log()
        return torch.where(low, -size, size), zero_density_outside(self.codomain, y, log_slope)


class NormalCDF(Univariate):
    """y = Phi(x), the standard normal distribution function, from the reals onto (0, 1).

    The log-derivative is -x^2 / 2 - log(2 pi) / 2. The lower tail keeps its relative precision, the
    upper one rounds to 1 from x = 5.5 on (float32; 8.3 in float64). Where Phi would underflow
    (|x| > 12.8; 37.5) x is clamped. Values of y that round onto a bound are taken as the nearest
    number inside it.

    Example:
        >>> import torch, diffeo
        >>> diffeo.univariates.NormalCDF().forward(torch.zeros(1), torch.empty(0, 1))[0]
        tensor([0.5000])
    """

    codomain = Interval(0.0, 1.0)

    @staticmethod
    def _log_slope(x: Tensor) -> Tensor:
        return -x * x / 2 - math.log(2 * math.pi) / 2

    def forward(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        # 5 covers the factor 1 / (x sqrt(2 pi)) of the tail
        bound = math.sqrt(-2 * (math.log(torch.finfo(x.dtype).tiny) + 5))
        x = x.clamp(-bound, bound)
        # torch's ndtr is 1 + erf, which loses the lower tail
        return torch.special.erfc(-x / math.sqrt(2)) / 2, self._log_slope(x)

    def inverse(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        info = torch.finfo(y.dtype)
        x = torch.special.ndtri(y.clamp(info.tiny, 1 - info.eps))
        return x, zero_density_outside(self.codomain, y, -self._log_slope(x))
