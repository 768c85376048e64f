"""Shift, Affine, ClampedAffine."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from diffeo.univariates.bounded import soft_bound
from diffeo.univariates.guards import positive_number
from diffeo.univariates.univariate import Univariate

__all__ = ["Affine", "ClampedAffine", "Shift"]


class Shift(Univariate):
    """y = x + t, with log-derivative 0.

    Parameters: t.

    Reference: "NICE: Non-linear Independent Components Estimation", Dinh, Krueger, Bengio, 2014,
    arXiv:1410.8516.

    Example:
        >>> import torch, diffeo
        >>> diffeo.univariates.Shift().forward(torch.zeros(2), torch.ones(1, 2))[0]
        tensor([1., 1.])
    """

    num_params = 1
    lossless = True

    def forward(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        y = x + params[0]
        return y, torch.zeros_like(y)

    def inverse(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        x = y - params[0]
        return x, torch.zeros_like(x)


class Affine(Univariate):
    """y = x exp(s) + t with s = b tanh(a / b), b = log 1000, so that scales stay in (1/1000, 1000).

    Parameters: t, a.

    Reference: "Density estimation using Real NVP", Dinh, Sohl-Dickstein, Bengio, 2016,
    arXiv:1605.08803.

    Example:
        >>> import torch, diffeo
        >>> diffeo.univariates.Affine().forward(torch.ones(1), torch.zeros(2, 1))
        (tensor([1.]), tensor([0.]))
    """

    num_params = 2
    lossless = True

    def _log_scale(self, raw: Tensor) -> Tensor:
        return soft_bound(raw)

    def forward(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        log_scale = self._log_scale(params[1])
        y = x * log_scale.exp() + params[0]
        return y, log_scale.expand_as(y)

    def inverse(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        log_scale = self._log_scale(params[1])
        x = (y - params[0]) * torch.exp(-log_scale)
        return x, -log_scale.expand_as(x)


class ClampedAffine(Affine):
    """y = x exp(c(s)) + t, whose scale can shrink a lot but grow only a little:

        c(s) = (2 / pi) a atan(s / a),   a = most for s >= 0, a = least for s < 0,

    so that the log-scale lies in (-least, most). In a deep flow no stack of layers can blow
    samples up.

    Parameters: t, s.

    Args:
        most: bound of the log-scale above 0.
        least: bound of minus the log-scale below 0.

    Raises:
        ValueError: a bound that is not a finite number > 0.

    Reference: "Stable Training of Normalizing Flows for High-dimensional Variational Inference",
    Andrade, 2024, arXiv:2402.16408.

    Example:
        >>> import torch, diffeo
        >>> clamped = diffeo.univariates.ClampedAffine()
        >>> clamped.forward(torch.ones(1), torch.tensor([[0.0], [1e6]]))
        (tensor([1.1052]), tensor([0.1000]))
    """

    def __init__(self, most: float = 0.1, least: float = 2.0) -> None:
        self.most = positive_number(self, "most", most)
        self.least = positive_number(self, "least", least)

    def _log_scale(self, raw: Tensor) -> Tensor:
        up, down = (a * torch.atan(raw / a) for a in (self.most, self.least))
        return 2 / math.pi * torch.where(raw >= 0, up, down)
