"""Elementary univariates at extreme values, and their formulae; Shift and the affine maps."""

from __future__ import annotations

import math
from collections.abc import Callable
from statistics import NormalDist

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from diffeo.univariates import (
    ELU,
    LOFT,
    Affine,
    CauchyCDF,
    ClampedAffine,
    Exp,
    LeakyReLU,
    Log,
    Logit,
    NormalCDF,
    Power,
    Shift,
    Sigmoid,
    Softclip,
    Softplus,
    Tanh,
    Univariate,
)

# from the reals
BOUNDED: list[Univariate] = [
    *(Exp(), Softplus(), Sigmoid(), Sigmoid(-3.0, 7.0), Tanh()),
    *(ELU(), ELU(2.5), Softclip(), Softclip(3.0), CauchyCDF(), NormalCDF()),
]
ALL = [*BOUNDED, LeakyReLU(), LeakyReLU(3.0), LOFT(), LOFT(2.0)]
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
        # the log-slope of a piecewise-linear map has no gradient
        if value.requires_grad:
            (gradient,) = torch.autograd.grad(value.sum(), x, retain_graph=True)
            assert bool(gradient.isfinite().all())
    assert bool(univariate.codomain.contains(y).all())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("univariate", BOUNDED, ids=repr)
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


@pytest.mark.parametrize("univariate", BOUNDED, ids=repr)
def test_bounds_of_an_interval_have_a_finite_inverse(univariate: Univariate) -> None:
    low = getattr(univariate.codomain, "low", 1e-38)
    ends = torch.tensor([low, getattr(univariate.codomain, "high", 3e38)])
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
    room = 1e-7 + 1e-15 * math.exp(-float(ladj.detach()))
    assert float(again.detach()) == pytest.approx(x, abs=room)
    assert float(inverse.detach()) == pytest.approx(-float(ladj.detach()), abs=10 * room)


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


FORMULAE = [
    (Log(), lambda x: math.log(x), [1e-6, 0.5, 3.0, 1e6]),
    (Logit(-1.0, 3.0), lambda x: math.log((x + 1) / (3 - x)), [-0.99, 0.0, 2.9]),
    (Power(2.5), lambda x: x**2.5, [1e-3, 1.0, 7.0]),
    (Power(-0.5), lambda x: x**-0.5, [1e-3, 1.0, 7.0]),
    (LeakyReLU(0.2), lambda x: max(x, 0.2 * x), [-5.0, -0.1, 0.0, 4.0]),
    (ELU(), lambda x: x if x > 0 else math.exp(x) - 1, [-5.0, -1e-6, 0.0, 4.0]),
    (ELU(2.5), lambda x: x if x > 0 else 2.5 * (math.exp(x) - 1), [-5.0, 0.0, 4.0]),
    (Softclip(3.0), lambda x: x / (1 + abs(x) / 3), [-50.0, -1.0, 0.0, 4.0]),
    (CauchyCDF(), lambda x: 0.5 + math.atan(x) / math.pi, [-50.0, -1.0, 0.0, 4.0]),
    (NormalCDF(), NormalDist().cdf, [-5.0, -1.0, 0.0, 4.0]),
    (LOFT(2.0), lambda x: math.copysign(2 + math.log(abs(x) - 1), x), [-50.0, -2.5, 4.0, 1e5]),
    (LOFT(2.0), lambda x: x, [-2.0, -0.5, 0.0, 2.0]),
]


@pytest.mark.parametrize(("univariate", "formula", "at"), FORMULAE)
def test_values(univariate: Univariate, formula: Callable[[float], float], at: list[float]) -> None:
    x = torch.tensor(at, dtype=torch.float64)
    y, _ = univariate.forward(x, NONE)
    assert y.tolist() == pytest.approx([formula(v) for v in at], rel=1e-12, abs=1e-14)
    again, _ = univariate.inverse(y, NONE)
    assert again.tolist() == pytest.approx(at, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
def test_lower_tails_keep_their_relative_precision(dtype: torch.dtype) -> None:
    x = torch.tensor([-12.0, -8.0, -5.0], dtype=dtype)
    y, _ = NormalCDF().forward(x, NONE)
    expected = [math.erfc(-v / math.sqrt(2)) / 2 for v in x.tolist()]
    # the tail's own condition is x^2
    assert y.tolist() == pytest.approx(expected, rel=200 * torch.finfo(dtype).eps)
    assert NormalCDF().inverse(y, NONE)[0].tolist() == pytest.approx(x.tolist(), rel=1e-5)
    x = torch.tensor([-1e6, -1e12], dtype=dtype)
    y, _ = CauchyCDF().forward(x, NONE)
    expected = [-1 / (math.pi * v) for v in x.tolist()]
    assert y.tolist() == pytest.approx(expected, rel=1e-6)
    assert CauchyCDF().inverse(y, NONE)[0].tolist() == pytest.approx(x.tolist(), rel=1e-6)


OUTSIDE = [(Log(), [-1.0, 0.0]), (Logit(-1.0, 3.0), [-1.1, 5.0]), (Power(2.0), [-1.0, 0.0])]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("univariate", "at"), OUTSIDE)
def test_outside_the_domain_the_log_derivative_is_minus_infinity(
    univariate: Univariate, at: list[float], dtype: torch.dtype
) -> None:
    x = torch.tensor([*at, torch.inf, -torch.inf], dtype=dtype, requires_grad=True)
    y, ladj = univariate.forward(x, NONE)
    assert ladj.tolist() == [-torch.inf] * 4
    assert bool(y[:2].isfinite().all())
    (gradient,) = torch.autograd.grad(y[:2].sum() + ladj[:2].sum(), x)
    assert bool(gradient.isfinite().all())


def test_infinite_data_have_no_density_beneath_a_loft() -> None:
    y = torch.tensor([torch.inf, -torch.inf])
    assert LOFT().inverse(y, NONE)[1].tolist() == [-torch.inf] * 2


def test_log_and_logit_are_the_inverses() -> None:
    x = torch.tensor([0.1, 0.7], dtype=torch.float64)
    for pair in ((Log(), Exp()), (Logit(-1.0, 3.0), Sigmoid(-1.0, 3.0))):
        for a, b in ((pair[0], pair[1]), (pair[1], pair[0])):
            assert all(map(torch.equal, a.forward(x, NONE), b.inverse(x, NONE)))
        assert pair[0].domain == pair[1].codomain
        assert pair[0].codomain == pair[1].domain


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("p", [-30.0, -1.0, 0.1, 3.0, 30.0])
def test_powers_never_overflow(p: float, dtype: torch.dtype) -> None:
    x = torch.tensor([1e-38, 1e-6, 1.0, 1e6, 1e38], dtype=dtype, requires_grad=True)
    for act in (Power(p).forward, Power(p).inverse):
        y, ladj = act(x, NONE)
        assert bool(y.isfinite().all() and ladj.isfinite().all() and (y > 0).all())
        (gradient,) = torch.autograd.grad(y.log().sum() + ladj.sum(), x, retain_graph=True)
        assert bool(gradient.isfinite().all())
        (gradient,) = torch.autograd.grad(y.sum(), x)
        assert bool(gradient.isfinite().all())


def test_a_softclip_and_a_loft_have_their_slope_at_zero() -> None:
    """Sizes come from signs; the derivative of |x| at 0 would be lost."""
    x = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    for univariate in (Softclip(), LOFT(), LOFT(2.0)):
        for act in (univariate.forward, univariate.inverse):
            (slope,) = torch.autograd.grad(act(x, NONE)[0].sum(), x)
            assert float(slope) == 1
    edge = torch.tensor([2.0, -2.0], dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(LOFT(2.0).forward(edge, NONE)[0].sum(), edge)
    assert slope.tolist() == [1, 1]


WRONG = [
    (lambda: LeakyReLU(0.0), "LeakyReLU: slope must be a finite number > 0, got 0.0"),
    (lambda: ELU(-1.0), "ELU: alpha must be a finite number > 0"),
    (lambda: Softclip(math.inf), "Softclip: bound must be a finite number > 0"),
    (lambda: LOFT(math.nan), "LOFT: threshold must be a finite number > 0"),
    (lambda: Power(0.0), "Power: exponent must be finite and not 0"),
    (lambda: ClampedAffine(most=0.0), "ClampedAffine: most must be a finite number > 0"),
    (lambda: ClampedAffine(least=-2.0), "ClampedAffine: least must be a finite number > 0"),
    (lambda: Logit(1.0, 0.0), "low < high"),
]


@pytest.mark.parametrize(("make", "message"), WRONG)
def test_impossible_constants_say_why(make: Callable[[], Univariate], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize("raw", [-1e6, -3.0, -0.1, 0.0, 0.05, 2.0, 1e6])
def test_clamped_affine_follows_the_paper(raw: float) -> None:
    params = torch.tensor([[0.7], [raw]], dtype=torch.float64)
    a = 0.1 if raw >= 0 else 2.0
    log_scale = 2 / math.pi * a * math.atan(raw / a)
    y, ladj = ClampedAffine().forward(torch.full((1,), 3.0, dtype=torch.float64), params)
    assert float(y) == pytest.approx(3 * math.exp(log_scale) + 0.7, rel=1e-12)
    assert float(ladj) == pytest.approx(log_scale, rel=1e-12, abs=1e-15)
    assert -2 <= float(ladj) <= 0.1
    other = ClampedAffine(most=1.0, least=5.0).forward(torch.ones(1).double(), params)[1]
    a = 1.0 if raw >= 0 else 5.0
    assert float(other) == pytest.approx(2 / math.pi * a * math.atan(raw / a), rel=1e-12, abs=1e-15)


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
