"""Bernstein polynomials, sums of squares and integrals against zuko's, in float64.

Each of ours gets random parameters; the numbers that they stand for, after our bounds, are handed
to zuko in its parametrisation. Only the interval is compared: zuko's maps have no linear tails
there, or others.
"""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from diffeo.univariates import Bernstein, MonotoneNetwork, SumOfSquares, Univariate
from diffeo.univariates.bounded import soft_bound
from diffeo.univariates.sos import LEAST_SLOPE

zuko = pytest.importorskip("zuko.transforms", reason="needs zuko (a peer)")

BOUND, COUNT = 5.0, 300


def draw(univariate: Univariate) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    params = torch.randn(univariate.num_params, COUNT, generator=generator, dtype=torch.float64)
    share = torch.rand(COUNT, generator=generator, dtype=torch.float64)
    return BOUND * (1.96 * share - 0.98), params


def agree(univariate: Univariate, transform, x: Tensor, params: Tensor, shift: Tensor) -> None:
    y, log_slope = univariate.forward(x, params)
    expected, expected_slope = transform.call_and_ladj(x)
    assert torch.allclose(y, expected + shift, rtol=1e-7, atol=1e-7)
    assert torch.allclose(log_slope, expected_slope, rtol=1e-7, atol=1e-7)
    # zuko bisects, to 1e-6 in x
    back, _ = univariate.inverse(y, params)
    assert torch.allclose(back, transform.inv(expected), atol=2e-6)


def test_bernstein() -> None:
    """zuko repeats the first and the last increment, so ours are set equal in pairs there."""
    degree = 9
    ours = Bernstein(degree, (-BOUND, BOUND))
    x, params = draw(ours)
    params[2], params[-2] = params[1], params[-1]
    steps = 2 * BOUND / degree * soft_bound(params[1:]).exp()
    softplus_inverse = steps + torch.log(-torch.expm1(-steps))
    first = params[0] - steps.sum(0) / 2
    # it adds log 2 (M - 1) / 2 to its first coefficient's parameter
    theta = torch.cat([first[None], softplus_inverse[1:-1]])
    theta[0] += math.log(2.0) * len(theta) / 2
    transform = zuko.BernsteinTransform(theta.T, bound=BOUND)
    agree(ours, transform, x, params, torch.zeros(()))


def test_sum_of_squares() -> None:
    """zuko's slope is a mean of squares of 1 + q, plus a floor."""
    ours = SumOfSquares(degree=4, terms=3, interval=(-BOUND, BOUND))
    x, params = draw(ours)
    a = ours.coefficients(params) * math.sqrt(3 * (1 - LEAST_SLOPE))
    a[:, 0] -= 1
    transform = zuko.SOSPolynomialTransform(a.movedim(-1, 0), slope=LEAST_SLOPE, bound=BOUND)
    agree(ours, transform, x, params, params[0])


def test_monotone_network() -> None:
    """The same integrand by zuko's one Gauss-Legendre rule, of so many nodes that it is exact."""
    ours = MonotoneNetwork(units=4, interval=(-BOUND, BOUND))
    x, params = draw(ours)

    def g(t: Tensor) -> Tensor:
        return ours.log_integrand(t.reshape(-1, COUNT) / BOUND, params).exp().reshape(t.shape)

    transform = zuko.UnconstrainedMonotonicTransform(g, n=400, bound=BOUND)
    agree(ours, transform, x, params, params[0])
