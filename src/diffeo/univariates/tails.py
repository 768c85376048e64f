"""Maps that change tails: LOFT, SignedPower, SinhArcsinh."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from diffeo.univariates.bounded import soft_bound
from diffeo.univariates.guards import (
    log_largest,
    positive_number,
    sign_and_size,
    zero_density_outside,
)
from diffeo.univariates.univariate import Univariate

__all__ = ["LOFT", "SignedPower", "SinhArcsinh"]

# exponents of tails lie between 1/3 and 3: a million to the third is far from overflow
LOG_EXPONENT_BOUND = math.log(3)


def _log_exponent(raw: Tensor) -> Tensor:
    return soft_bound(raw, LOG_EXPONENT_BOUND)


class LOFT(Univariate):
    """y = x up to a threshold t, and beyond it grows like a logarithm:

        y = sign(x) (log(max(|x| - t, 0) + 1) + min(|x|, t)).

    As the last layer of a flow it keeps samples in a range where log-densities behave; the
    log-derivative is -log(max(|x| - t, 0) + 1). The inverse grows like an exponential: where it
    would overflow (|y| > t + 88 in float32) it is clamped.

    Args:
        threshold: t, greater than 0.

    Raises:
        ValueError: a threshold that is not a finite number > 0.

    Reference: "Stable Training of Normalizing Flows for High-dimensional Variational Inference",
    Andrade, 2024, arXiv:2402.16408.

    Example:
        >>> import torch, diffeo
        >>> loft = diffeo.univariates.LOFT()
        >>> loft.forward(torch.tensor([5.0, -1e6]), torch.empty(0, 2))[0]
        tensor([   5.0000, -113.8154])
    """

    def __init__(self, threshold: float = 100.0) -> None:
        self.threshold = positive_number(self, "threshold", threshold)

    def forward(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        sign, size = sign_and_size(x)
        compressed = (size - self.threshold).clamp(min=0).log1p()
        y = sign * torch.where(size > self.threshold, self.threshold + compressed, size)
        return y, -compressed

    def inverse(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        sign, size = sign_and_size(y)
        compressed = (size - self.threshold).clamp(0, log_largest(y) - 1)
        x = sign * torch.where(size > self.threshold, self.threshold + compressed.expm1(), size)
        return x, zero_density_outside(self.codomain, y, compressed)


class SignedPower(Univariate):
    """A power of the size that keeps the sign and has slope 1 at 0:

        y = sign(x) ((1 + |x|)^p - 1) / p.

    Far out it grows like |x|^p. (Plain sign(x) |x|^p has slope 0 or infinity at 0, which no density
    survives.) The log-derivative is (p - 1) log(1 + |x|); p = exp(b tanh(a / b)) with b = log 3, so
    that exponents lie in (1/3, 3).

    Parameters: a.

    Example:
        >>> import torch, diffeo
        >>> diffeo.univariates.SignedPower().forward(torch.ones(1), torch.zeros(1, 1))[0]
        tensor([1.])
    """

    num_params = 1

    def forward(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        p = _log_exponent(params[0]).exp()
        sign, size = sign_and_size(x)
        log_size = size.log1p()
        return sign * _expm1(p * log_size) / p, (p - 1) * log_size

    def inverse(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        p = _log_exponent(params[0]).exp()
        sign, size = sign_and_size(y)
        log_size = torch.log1p(p * size) / p
        return sign * _expm1(log_size), (1 - p) * log_size


def _expm1(x: Tensor) -> Tensor:
    """exp(x) - 1, finite also when divided by 1/3."""
    return x.clamp(max=log_largest(x) - 2).expm1()


class SinhArcsinh(Univariate):
    """y = sinh(p (asinh(x) + s)): the skew s tilts, the exponent p > 1 makes tails heavier.

    Far out y grows like |x|^p. The log-derivative is
    log(p) + log(1 + y^2) / 2 - log(1 + x^2) / 2. The skew is bounded by log 1000, and
    p = exp(b tanh(a / b)) with b = log 3, so that exponents lie in (1/3, 3).

    Parameters: s (before its bound), a.

    Reference: "Sinh-arcsinh distributions", Jones, Pewsey, 2009, Biometrika 96.

    Example:
        >>> import torch, diffeo
        >>> skewed = diffeo.univariates.SinhArcsinh()
        >>> skewed.forward(torch.zeros(1), torch.tensor([[1.0], [0.0]]))[0]
        tensor([1.1645])
    """

    num_params = 2

    def forward(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        skew, log_p = soft_bound(params[0]), _log_exponent(params[1])
        y = _sinh(log_p.exp() * (x.asinh() + skew))
        return y, log_p + _log_hypot(y) - _log_hypot(x)

    def inverse(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        skew, log_p = soft_bound(params[0]), _log_exponent(params[1])
        x = _sinh(y.asinh() * torch.exp(-log_p) - skew)
        return x, _log_hypot(x) - _log_hypot(y) - log_p


def _sinh(x: Tensor) -> Tensor:
    bound = log_largest(x)
    return x.clamp(-bound, bound).sinh()


def _log_hypot(x: Tensor) -> Tensor:
    """log sqrt(1 + x^2), without the square that overflows."""
    return torch.hypot(torch.ones_like(x), x).log()
