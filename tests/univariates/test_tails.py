"""SignedPower and SinhArcsinh: learned tails."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from diffeo.univariates import SignedPower, SinhArcsinh, Univariate

BOTH: list[Univariate] = [SignedPower(), SinhArcsinh()]
DTYPES = [torch.float32, torch.float64]


def exponent(raw: float) -> float:
    return math.exp(math.log(3) * math.tanh(raw / math.log(3)))


def column(*values: float, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.tensor(values, dtype=dtype)[:, None]


@pytest.mark.parametrize("raw", [-5.0, -0.3, 0.4, 9.0])
def test_signed_power(raw: float) -> None:
    p = exponent(raw)
    at = [-40.0, -1.0, -1e-9, 0.0, 0.3, 7.0]
    x = torch.tensor(at, dtype=torch.float64)
    y, ladj = SignedPower().forward(x, column(raw))
    expected = [math.copysign(((1 + abs(v)) ** p - 1) / p, v) for v in at]
    assert y.tolist() == pytest.approx(expected, rel=1e-6, abs=1e-15)
    slopes = [(1 + abs(v)) ** (p - 1) for v in at]
    assert ladj.exp().tolist() == pytest.approx(slopes, rel=1e-12)


@pytest.mark.parametrize("skew", [-2.0, 0.0, 0.7])
@pytest.mark.parametrize("raw", [-5.0, 0.4])
def test_sinh_arcsinh(skew: float, raw: float) -> None:
    p, s = exponent(raw), math.log(1e3) * math.tanh(skew / math.log(1e3))
    at = [-40.0, -1.0, 0.0, 0.3, 7.0]
    x = torch.tensor(at, dtype=torch.float64)
    y, ladj = SinhArcsinh().forward(x, column(skew, raw))
    assert y.tolist() == pytest.approx([math.sinh(p * (math.asinh(v) + s)) for v in at], rel=1e-12)
    slopes = [p * math.cosh(p * (math.asinh(v) + s)) / math.hypot(1, v) for v in at]
    assert ladj.exp().tolist() == pytest.approx(slopes, rel=1e-12)


@pytest.mark.parametrize("univariate", BOTH, ids=repr)
def test_tails_grow_like_a_power(univariate: Univariate) -> None:
    raw = torch.zeros(univariate.num_params, 1, dtype=torch.float64)
    raw[-1] = 0.5
    x = torch.tensor([1e8, 1e10], dtype=torch.float64)
    for sign in (1, -1):
        y, _ = univariate.forward(sign * x, raw)
        growth = math.log(float(y[1] / y[0])) / math.log(100)
        assert growth == pytest.approx(exponent(0.5), abs=1e-6)


@pytest.mark.parametrize("univariate", BOTH, ids=repr)
def test_zero_parameters_give_the_identity(univariate: Univariate) -> None:
    x = torch.tensor([-1e6, -3.0, 0.0, 1e-9, 2.0], dtype=torch.float64)
    zero = torch.zeros(univariate.num_params, 1, dtype=torch.float64)
    for act in (univariate.forward, univariate.inverse):
        y, ladj = act(x, zero)
        torch.testing.assert_close(y, x, rtol=1e-13, atol=0)
        assert float(ladj.abs().max()) < 1e-13


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("univariate", BOTH, ids=repr)
def test_wild_parameters_and_inputs_stay_finite(univariate: Univariate, dtype: torch.dtype) -> None:
    sizes = [0.0, 1e-30, 1e-3, 1.0, 1e6, 1e30]
    values = torch.tensor([s * sign for s in sizes for sign in (1, -1)], dtype=dtype)
    wild = [-1e6, -3.0, 0.0, 3.0, 1e6]
    raw = torch.cartesian_prod(*[torch.tensor(wild, dtype=dtype)] * univariate.num_params)
    raw = raw.reshape(-1, univariate.num_params).T[:, :, None].clone().requires_grad_()
    x = values.clone().requires_grad_()
    for act in (univariate.forward, univariate.inverse):
        y, ladj = act(x, raw)
        assert bool(y.isfinite().all() and ladj.isfinite().all())
        # as a loss would weigh them; a derivative of 1e30 cubed has no place in float32
        loss = (y / (1 + y.detach().abs())).sum() + ladj.sum()
        for gradient in torch.autograd.grad(loss, (x, raw)):
            assert bool(gradient.isfinite().all())


@pytest.mark.parametrize("univariate", BOTH, ids=repr)
def test_the_slope_at_zero_is_not_lost(univariate: Univariate) -> None:
    x = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    raw = torch.full((univariate.num_params, 1), 0.3, dtype=torch.float64)
    for act in (univariate.forward, univariate.inverse):
        y, ladj = act(x, raw)
        (slope,) = torch.autograd.grad(y.sum(), x)
        assert math.log(float(slope)) == pytest.approx(float(ladj.detach()), abs=1e-12)


def test_a_wild_million_comes_back() -> None:
    """Exponents of 3 and 1/3 at |x| = 1e6, where the other way must not overflow."""
    x = torch.tensor([-1e6, -1.0, 0.5, 1e6])
    for raw in (50.0, -50.0):
        for univariate, params in (
            (SignedPower(), column(raw, dtype=torch.float32)),
            (SinhArcsinh(), column(1.0, raw, dtype=torch.float32)),
        ):
            again, _ = univariate.inverse(univariate.forward(x, params)[0], params)
            torch.testing.assert_close(again, x, rtol=2e-4, atol=0)
