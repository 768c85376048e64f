"""Increasing Bernstein polynomials."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from diffeo.univariates.bounded import soft_bound
from diffeo.univariates.constants import constants
from diffeo.univariates.extrapolated import Extrapolated

__all__ = ["Bernstein"]


class Bernstein(Extrapolated):
    """Increasing Bernstein polynomial on ``interval``, linear outside it.

    With t = (x - low) / (high - low) in [0, 1] and coefficients c_0 < ... < c_M,

        y = sum_i c_i B_{i,M}(t),   B_{i,M}(t) = binomial(M, i) t^i (1 - t)^(M - i),

    and the slope is the mean of the M secant slopes M (c_{i+1} - c_i) / (high - low) under the
    weights B_{i,M-1}(t): it lies in (1/1000, 1000) because they do. The inverse is numerical.

    Parameters: a shift, and ``degree`` logs of the secant slopes. All zero, it is the identity.

    Args:
        degree: degree M of the polynomial, at least 1.
        interval: (low, high), where the polynomial bends.

    Raises:
        ValueError: a degree below 1, or an empty interval.

    Reference: "Deep transformation models: Tackling complex regression problems with neural network
    based transformation models", Sick, Hothorn, Duerr, 2020, arXiv:2004.00464; "Robust normalizing
    flows using Bernstein-type polynomials", Ramasinghe, Fernando, Khan, Barnes, 2021,
    arXiv:2102.03509.

    Example:
        >>> import torch, diffeo
        >>> bernstein = diffeo.univariates.Bernstein(degree=3)
        >>> y, ladj = bernstein.forward(torch.tensor([1.0]), torch.zeros(4, 1))
        >>> round(y.item(), 5), round(abs(ladj.item()), 5)
        (1.0, 0.0)
    """

    def __init__(self, degree: int = 16, interval: tuple[float, float] = (-5.0, 5.0)) -> None:
        if degree < 1:
            raise ValueError(f"a Bernstein polynomial needs a degree of at least 1, got {degree}")
        super().__init__(interval)
        self.degree = degree
        self.num_params = degree + 1
        self._binomials = tuple(float(math.comb(degree - 1, i)) for i in range(degree))
        # numbers at once for each x, by which chunks of rows are chosen: many arrays of a basis
        self.row_width = 2 * degree

    def _basis(self, t: Tensor) -> Tensor:
        """B_{i,M-1}(t), (degree, ...)."""
        last = self.degree - 1
        power = torch.arange(self.degree, dtype=t.dtype, device=t.device)
        power = power.reshape(-1, *(1,) * t.ndim)
        return constants(self._binomials, power) * t**power * (1 - t) ** (last - power)

    def _inside(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        t = (x - self.low) / (self.high - self.low)
        basis = self._basis(t)
        slopes = soft_bound(params[1:]).exp()
        # sums of positive terms: c_j = c_0 + (sum_{i<j} slope_i) (high - low) / M, and
        # B_{j,M} = (1 - t) B_{j,M-1} + t B_{j-1,M-1}, so that slope_i meets the sum over j > i
        above = basis.flip(0).cumsum(0).flip(0)
        share = above - (1 - t) * basis
        # the middle of the coefficients stays where it is, whatever the slopes
        step = 2 * self.half / self.degree
        y = self.centre + params[0] + step * (slopes * (share - 0.5)).sum(0)
        return y, (slopes * basis).sum(0).log()
