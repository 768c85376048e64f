"""Sum-of-squares polynomials."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from diffeo.univariates.bounded import soft_bound
from diffeo.univariates.constants import constants
from diffeo.univariates.extrapolated import Extrapolated

__all__ = ["SumOfSquares"]

LEAST_SLOPE = 1e-3
LARGEST_SLOPE = 1e3


class SumOfSquares(Extrapolated):
    """Integral of a sum of squared polynomials on ``interval``, linear outside it.

    With the interval's centre m and half width h, and t = (x - m) / h in [-1, 1],

        y = m + c + h int_0^t (f + (1 - f) sum_k p_k(u)^2) du,   p_k(u) = sum_j a_kj u^j,

    integrated in closed form. The floor f = 1/1000 of the slope keeps the map invertible; the
    coefficients are bounded so that the slope stays below 1000. The inverse is numerical.

    Parameters: c, and ``terms * (degree + 1)`` raw coefficients, term by term. All zero, the map
    is the identity: the constants a_k0 then differ, so that the terms learn different things.

    Args:
        degree: degree of the squared polynomials, at least 1.
        terms: number of squares, at least 1 (any positive polynomial is a sum of two).
        interval: (low, high), where the map bends.

    Raises:
        ValueError: a degree or a number of terms below 1, or an empty interval.

    Reference: "Sum-of-Squares Polynomial Flow", Jaini, Selby, Yu, 2019, arXiv:1905.02325.

    Example:
        >>> import torch, diffeo
        >>> sos = diffeo.univariates.SumOfSquares(degree=4, terms=2)
        >>> y, ladj = sos.forward(torch.tensor([1.0]), torch.zeros(11, 1))
        >>> round(y.item(), 5), round(abs(ladj.item()), 5)
        (1.0, 0.0)
    """

    def __init__(
        self, degree: int = 4, terms: int = 2, interval: tuple[float, float] = (-5.0, 5.0)
    ) -> None:
        if degree < 1 or terms < 1:
            raise ValueError(
                f"a sum of squares needs a degree and a number of terms of at least 1, "
                f"got degree={degree}, terms={terms}"
            )
        super().__init__(interval)
        self.degree = degree
        self.terms = terms
        self.num_params = 1 + terms * (degree + 1)
        # sum over k of (|a_k0| + (degree + 1) bound)^2 <= LARGEST_SLOPE
        self.bound = (math.sqrt(LARGEST_SLOPE / terms) - 1) / (degree + 1)

    def coefficients(self, params: Tensor) -> Tensor:
        """a_kj, (terms, degree + 1, ...)."""
        raw = params[1:].unflatten(0, (self.terms, self.degree + 1))
        # unequal, with squares that sum to one
        start = torch.arange(self.terms, 0, -1, dtype=raw.dtype, device=raw.device)
        start = start / start.norm()
        first = constants((1.0, *(0.0,) * self.degree), raw[0])
        return start.reshape(-1, *(1,) * (raw.ndim - 1)) * first + soft_bound(raw, self.bound)

    def _inside(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        t = (x - self.centre) / self.half
        a = self.coefficients(params)
        squares = _horner(a.unbind(1), t).square().sum(0)
        integral = t * _horner(_integrated_square(a), t)
        share = 1 - LEAST_SLOPE
        y = self.centre + params[0] + self.half * (LEAST_SLOPE * t + share * integral)
        return y, torch.log(LEAST_SLOPE + share * squares)


def _horner(coefficients: Sequence[Tensor], t: Tensor) -> Tensor:
    """sum_j c_j t^j."""
    value = coefficients[-1]
    for c in coefficients[-2::-1]:
        value = value * t + c
    return value


def _integrated_square(a: Tensor) -> list[Tensor]:
    """The coefficients of (1/t) int_0^t sum_k p_k(u)^2 du, from those (terms, degree + 1, ...)."""
    degree = a.shape[1] - 1
    integrated = []
    for power in range(2 * degree + 1):
        low, high = max(0, power - degree), min(power, degree)
        left = a[:, low : high + 1]
        integrated.append((left * left.flip(1)).sum((0, 1)) / (power + 1))
    return integrated
