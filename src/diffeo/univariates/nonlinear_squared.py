"""The non-linear squared map."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from diffeo.roots import invert_increasing
from diffeo.univariates.bounded import soft_bound
from diffeo.univariates.univariate import Univariate

__all__ = ["NonlinearSquared"]

# |m| below it keeps u + m / (1 + u^2) increasing; the share of it that is used bounds the slope
_STEEPEST = 8 * math.sqrt(3) / 9
_SHARE = 0.95


class NonlinearSquared(Univariate):
    r"""A line with a bump, which makes one mode into two:

        y = a + b x + c / (1 + (d x + g)^2).

    It is increasing where $|c| < (8 \sqrt{3} / 9) b / d$; c is 0.95 tanh(r) of that. b and d
    are exponentials, smoothly bounded by 1000. With u = d x + g, the inverse is the one real root
    of a cubic, u^3 - w u^2 + u + m = w, found between w - |m| and w + |m|.

    Parameters: a, log b, r, log d, g.

    Reference: "Latent Normalizing Flows for Discrete Sequences", Ziegler, Rush, 2019,
    arXiv:1901.10548.

    Example:
        >>> import torch, diffeo
        >>> bump = diffeo.univariates.NonlinearSquared()
        >>> bump.forward(torch.zeros(1), torch.tensor([[0.0], [0.0], [9.0], [0.0], [0.0]]))
        (tensor([1.4626]), tensor([0.]))
    """

    num_params = 5

    def _parts(self, params: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """a, log b, m = c d / b, log d and g."""
        a, log_b, r, log_d, g = params.unbind(0)
        return a, soft_bound(log_b), _SHARE * _STEEPEST * torch.tanh(r), soft_bound(log_d), g

    def forward(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        a, log_b, m, log_d, g = self._parts(params)
        u = log_d.exp() * x + g
        bump, dlog = _bump(u, m)
        return a + log_b.exp() * (x + torch.exp(-log_d) * bump), log_b + dlog

    def inverse(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        a, log_b, m, log_d, g = self._parts(params)
        w = (y - a) * torch.exp(log_d - log_b) + g

        def bumped(u: Tensor) -> tuple[Tensor, Tensor]:
            bump, dlog = _bump(u, m)
            return u + bump, dlog

        u, dlog = invert_increasing(bumped, w, w - m.abs(), w + m.abs(), "NonlinearSquared")
        return (u - g) * torch.exp(-log_d), dlog - log_b


def _bump(u: Tensor, m: Tensor) -> tuple[Tensor, Tensor]:
    """m / (1 + u^2), and log of the slope of u + m / (1 + u^2)."""
    falloff = 1 / (1 + u.square())
    return m * falloff, torch.log1p(-2 * m * (u * falloff) * falloff)
