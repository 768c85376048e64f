"""Shift and Affine."""

from __future__ import annotations

import torch
from torch import Tensor

from diffeo.univariates.bounded import soft_bound
from diffeo.univariates.univariate import Univariate

__all__ = ["Affine", "Shift"]


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

    def forward(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        log_scale = soft_bound(params[1])
        y = x * log_scale.exp() + params[0]
        return y, log_scale.expand_as(y)

    def inverse(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        log_scale = soft_bound(params[1])
        x = (y - params[0]) * torch.exp(-log_scale)
        return x, -log_scale.expand_as(x)
