"""Exp, Softplus, Sigmoid, Tanh at extreme values; Shift and Affine."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from diffeo.univariates import Affine, Exp, Shift, Sigmoid, Softplus, Tanh, Univariate

ALL: list[Univariate] = [Exp(), Softplus(), Sigmoid(), Sigmoid(-3.0, 7.0), Tanh()]
DTYPES = [torch.float32, torch.float64]
NONE = torch.empty(0)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("univariate", ALL, ids=repr)
def test_extreme_inputs_give_finite_values_and_gradients(
    univariate: Univariate, dtype: torch.dtype
) -> None:
    sizes = [0.0, 1e-30, 1e-6, 1.0, 20.0, 90.0, 800.0, 1e6, 1e30]
    x = torch.tensor([s * sign for s in sizes for sign in (1, -1)], dtype=dtype)
    x = x.requires_grad_()
    y, ladj = univariate.forward(x, NONE)
    again, inverse = univariate.inverse(y, NONE)
    for value in (y, ladj, again, inverse):
        assert bool(value.isfinite().all())
        (gradient,) = torch.autograd.grad(value.sum(), x, retain_graph=True)
        assert bool(gradient.isfinite().all())
    assert bool(univariate.codomain.contains(y).all())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("univariate", ALL, ids=repr)
def test_outside_the_codomain_the_density_is_zero(
    univariate: Univariate, dtype: torch.dtype
) -> None:
    y = torch.tensor([-1e3, -3.001, torch.inf, -torch.inf], dtype=dtype)
    _, ladj = univariate.inverse(y, NONE)
    assert ladj.tolist() == [-torch.inf] * 4


@pytest.mark.parametrize("univariate", ALL, ids=repr)
def test_nan_stays_nan(univariate: Univariate) -> None:
    x = torch.tensor([torch.nan, 0.5])
    for act in (univariate.forward, univariate.inverse):
        value, ladj = act(x, NONE)
        assert value.isnan().tolist() == [True, False]
        assert bool(ladj[1].isfinite())


@pytest.mark.parametrize("univariate", ALL, ids=repr)
def test_bounds_of_an_interval_have_a_finite_inverse(univariate: Univariate) -> None:
    ends = torch.tensor([1e-38, 3e38])
    if hasattr(univariate.codomain, "low"):
        ends = torch.tensor([univariate.codomain.low, univariate.codomain.high])
    x, ladj = univariate.inverse(ends.requires_grad_(), NONE)
    assert bool(x.isfinite().all() and ladj.isfinite().all())
    (gradient,) = torch.autograd.grad(x.sum() + ladj.sum(), ends)
    assert bool(gradient.isfinite().all())


@settings(max_examples=50, deadline=None)
@given(x=st.floats(-8, 8), index=st.integers(0, len(ALL) - 1))
def test_the_log_derivative_is_the_derivative(x: float, index: int) -> None:
    point = torch.tensor([x], dtype=torch.float64, requires_grad=True)
    y, ladj = ALL[index].forward(point, NONE)
    (slope,) = torch.autograd.grad(y.sum(), point)
    assert float(ladj.detach()) == pytest.approx(math.log(float(slope)), abs=1e-7)
    again, inverse = ALL[index].inverse(y, NONE)
    # the derivative of the inverse: 1e-16 of rounding in y, over the slope
    assert float(again.detach()) == pytest.approx(x, abs=1e-7)
    assert float(inverse.detach()) == pytest.approx(-float(ladj.detach()), abs=1e-7)


def test_formulae() -> None:
    x = torch.tensor([-2.0, 0.0, 3.0], dtype=torch.float64)
    torch.testing.assert_close(Exp().forward(x, NONE)[0], x.exp())
    torch.testing.assert_close(Softplus().forward(x, NONE)[0], (1 + x.exp()).log())
    torch.testing.assert_close(Sigmoid(-3.0, 7.0).forward(x, NONE)[0], -3 + 10 / (1 + (-x).exp()))
    torch.testing.assert_close(Tanh().forward(x, NONE)[0], x.tanh())
    params = torch.tensor([[2.0], [0.3]], dtype=torch.float64)
    torch.testing.assert_close(Shift().forward(x, params[:1])[0], x + 2)
    bound = math.log(1e3)
    scale = math.exp(bound * math.tanh(0.3 / bound))
    torch.testing.assert_close(Affine().forward(x, params)[0], x * scale + 2)


@pytest.mark.parametrize("raw", [1e3, -1e3, 1e30])
def test_affine_scales_stay_within_a_thousand(raw: float) -> None:
    params = torch.tensor([[0.0], [raw]], requires_grad=True)
    y, ladj = Affine().forward(torch.ones(1), params)
    assert 1e-3 * 0.999 <= float(y.detach()) <= 1e3 * 1.001
    (gradient,) = torch.autograd.grad(y.sum() + ladj.sum(), params)
    assert bool(gradient.isfinite().all())


@pytest.mark.parametrize("low", [0.0, math.inf])
def test_an_empty_interval_is_refused(low: float) -> None:
    with pytest.raises(ValueError, match="low < high"):
        Sigmoid(low, 0.0)
