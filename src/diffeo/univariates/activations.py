"""Activation functions that have an inverse: LeakyReLU, ELU, Softclip."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from diffeo.supports import Interval, Support
from diffeo.univariates.guards import positive_number, sign_and_size, zero_density_outside
from diffeo.univariates.univariate import Univariate

__all__ = ["ELU", "LeakyReLU", "Softclip"]


class LeakyReLU(Univariate):
    """y = x for x >= 0, and slope x below; log-derivative 0 or log(slope).

    Args:
        slope: slope of the negative half, greater than 0.

    Raises:
        ValueError: a slope that is not a finite number > 0.

    Reference: "Rectifier Nonlinearities Improve Neural Network Acoustic Models", Maas, Hannun, Ng,
    2013.

    Example:
        >>> import torch, diffeo
        >>> leaky = diffeo.univariates.LeakyReLU(0.5)
        >>> leaky.forward(torch.tensor([-2.0, 2.0]), torch.empty(0, 2))[0]
        tensor([-1.,  2.])
    """

    def __init__(self, slope: float = 0.01) -> None:
        self.slope = positive_number(self, "slope", slope)

    @staticmethod
    def _leak(x: Tensor, slope: float) -> tuple[Tensor, Tensor]:
        log_slope = torch.zeros_like(x).masked_fill(x < 0, math.log(slope))
        return torch.where(x < 0, slope * x, x), log_slope

    def forward(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        return self._leak(x, self.slope)

    def inverse(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        return self._leak(y, 1 / self.slope)


class _Above(Support):
    """Finite numbers from ``low`` on; the bound belongs to it, because values round onto it."""

    def __init__(self, low: float) -> None:
        self.low = low

    def contains(self, x: Tensor) -> Tensor:
        return (x >= self.low) & x.isfinite()

    def interior(self, like: Tensor) -> Tensor:
        return like.new_full((), self.low + 1)

    def __repr__(self) -> str:
        return f"above({self.low:g})"


class ELU(Univariate):
    """y = x for x > 0, and alpha (exp(x) - 1) below, from the reals onto (-alpha, inf).

    The log-derivative is 0 for x > 0, and log(alpha) + x below. Values of y that round onto -alpha
    are taken as the nearest number above it.

    Args:
        alpha: minus the lower bound of y, greater than 0; with 1 the slope is continuous.

    Raises:
        ValueError: an alpha that is not a finite number > 0.

    Reference: "Fast and Accurate Deep Network Learning by Exponential Linear Units (ELUs)",
    Clevert, Unterthiner, Hochreiter, 2015, arXiv:1511.07289.

    Example:
        >>> import torch, diffeo
        >>> diffeo.univariates.ELU().forward(torch.tensor([-1.0, 2.0]), torch.empty(0, 2))[0]
        tensor([-0.6321,  2.0000])
    """

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = positive_number(self, "alpha", alpha)
        self.codomain = _Above(-self.alpha)

    def _log_slope(self, x: Tensor) -> Tensor:
        return torch.where(x > 0, 0.0, x + math.log(self.alpha))

    def forward(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        y = torch.where(x > 0, x, self.alpha * torch.expm1(x.clamp(max=0)))
        return y, self._log_slope(x)

    def inverse(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        below = (y / self.alpha).clamp(torch.finfo(y.dtype).eps - 1, 0)
        x = torch.where(y > 0, y, below.log1p())
        return x, zero_density_outside(self.codomain, y, -self._log_slope(x))


class Softclip(Univariate):
    """y = x / (1 + |x| / bound), from the reals onto (-bound, bound).

    The log-derivative is -2 log(1 + |x| / bound). Values of y that round onto a bound are taken as
    the nearest number inside it.

    Args:
        bound: of |y|, greater than 0.

    Raises:
        ValueError: a bound that is not a finite number > 0.

    Example:
        >>> import torch, diffeo
        >>> clip = diffeo.univariates.Softclip(2.0)
        >>> clip.forward(torch.tensor([-2.0, 6.0]), torch.empty(0, 2))[0]
        tensor([-1.0000,  1.5000])
    """

    def __init__(self, bound: float = 1.0) -> None:
        self.bound = positive_number(self, "bound", bound)
        self.codomain = Interval(-self.bound, self.bound)

    def forward(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        share = sign_and_size(x)[1] / self.bound
        return x / (1 + share), -2 * share.log1p()

    def inverse(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        sign, size = sign_and_size(y)
        share = (size / self.bound).clamp(max=1 - torch.finfo(y.dtype).eps)
        x = sign * self.bound * share / (1 - share)
        return x, zero_density_outside(self.codomain, y, -2 * torch.log1p(-share))
