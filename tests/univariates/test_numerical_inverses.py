"""What all univariates with numerical inverses share: wild parameters, both tails, gradients."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from diffeo.univariates import (
    Bernstein,
    DeepSigmoidal,
    DenseSigmoidal,
    MixtureOfGaussians,
    MixtureOfLogistics,
    MonotoneNetwork,
    SumOfSquares,
    Univariate,
)

ON_AN_INTERVAL: list[Univariate] = [
    SumOfSquares(4, 2),
    SumOfSquares(3, 3, (-2.0, 7.0)),
    Bernstein(12),
    Bernstein(1, (1.0, 4.0)),
    MonotoneNetwork(5),
    MonotoneNetwork(1, (-2.0, 7.0)),
]
MIXED: list[Univariate] = [
    DeepSigmoidal(6),
    DeepSigmoidal(1),
    DenseSigmoidal(4, 2),
    DenseSigmoidal(2, 3),
    MixtureOfLogistics(5),
    MixtureOfGaussians(5),
    MixtureOfGaussians(1),
]
ALL = ON_AN_INTERVAL + MIXED
DTYPES = [torch.float32, torch.float64]


def draw(
    univariate: Univariate, count: int, sd: float, dtype: torch.dtype = torch.float64
) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    params = sd * torch.randn(univariate.num_params, count, generator=generator, dtype=dtype)
    return 3 * torch.randn(count, generator=generator, dtype=dtype), params


@pytest.mark.parametrize("sd", [1.0, 5.0])
@pytest.mark.parametrize("univariate", ALL, ids=repr)
def test_the_ladj_is_that_of_the_computed_value_at_wild_parameters(
    univariate: Univariate, sd: float
) -> None:
    x, params = draw(univariate, 2000, sd)
    x.requires_grad_()
    y, log_slope = univariate.forward(x, params)
    (slope,) = torch.autograd.grad(y.sum(), x)
    assert float((log_slope.detach() - slope.log()).abs().max()) < 1e-8


@pytest.mark.parametrize("univariate", ALL, ids=repr)
def test_increasing(univariate: Univariate) -> None:
    _, params = draw(univariate, 50, 3.0)
    x = torch.linspace(-9, 9, 2001, dtype=torch.float64)[:, None]
    y, _ = univariate.forward(x, params[:, None])
    assert bool((y.diff(dim=0) > 0).all())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("univariate", ALL, ids=repr)
def test_what_the_inverse_gives_is_mapped_back(univariate: Univariate, dtype: torch.dtype) -> None:
    _, params = draw(univariate, 2000, 3.0, dtype)
    y = torch.linspace(-30, 30, 2000, dtype=dtype)
    x, inverse = univariate.inverse(y, params)
    again, forward = univariate.forward(x, params)
    # one rounding of x moves y by the slope
    eps = torch.finfo(dtype).eps
    room = 100 * eps * (1 + y.abs() + forward.exp() * (1 + x.abs()))
    assert bool(((again - y).abs() <= room).all())
    assert torch.allclose(inverse, -forward, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("univariate", ALL, ids=repr)
def test_far_out_all_is_finite_and_linear(univariate: Univariate, dtype: torch.dtype) -> None:
    _, params = draw(univariate, 40, 1.0, dtype)
    params = params[:, None].requires_grad_()
    x = torch.tensor([[-1e6], [-0.9e6], [0.9e6], [1e6]], dtype=dtype).expand(-1, 40)
    x = x.clone().requires_grad_()
    for act, sign in ((univariate.forward, 1), (univariate.inverse, -1)):
        y, log_slope = act(x, params)
        assert bool((log_slope.abs() < 2 * math.log(1e3)).all())
        secant = (y[1::2] - y[::2]) / 1e5
        assert torch.allclose(secant, log_slope[::2].exp(), rtol=2e-2 if sign < 0 else 1e-2)
        loss = (y / (1 + y.detach().abs())).sum() + log_slope.sum()
        for gradient in torch.autograd.grad(loss, [x, params]):
            assert bool(gradient.isfinite().all())


@pytest.mark.parametrize("univariate", ON_AN_INTERVAL, ids=repr)
def test_tails_join_smoothly_and_keep_the_slope_of_the_end(univariate: Univariate) -> None:
    _, params = draw(univariate, 100, 2.0)
    for end, out in ((univariate.low, -1.0), (univariate.high, 1.0)):
        at_end, log_slope = univariate.forward(torch.full((100,), end).double(), params)
        beyond, slope_beyond = univariate.forward(
            torch.full((100,), end + 3 * out).double(), params
        )
        assert torch.allclose(beyond - at_end, 3 * out * log_slope.exp())
        assert torch.equal(slope_beyond, log_slope)
        assert bool((log_slope.abs() <= math.log(1e3) + 1e-9).all())
        back, _ = univariate.inverse(beyond, params)
        assert torch.allclose(back, torch.full_like(back, end + 3 * out), rtol=1e-9)


@pytest.mark.parametrize("univariate", ALL, ids=repr)
def test_gradients_of_the_inverse(univariate: Univariate) -> None:
    _, params = draw(univariate, 8, 0.3)
    # inside, and in both tails of an interval
    y = torch.tensor([-40.0, -9.0, -1.0, 0.1, 0.5, 2.0, 9.0, 40.0], dtype=torch.float64)
    assert torch.autograd.gradcheck(
        univariate.inverse, (y.requires_grad_(), params.requires_grad_()), rtol=1e-4
    )


@pytest.mark.parametrize("univariate", ALL, ids=repr)
def test_from_zero_parameters_every_unit_learns_something_else(univariate: Univariate) -> None:
    """Units with equal gradients would stay equal for ever."""
    x = torch.tensor([-2.3, -1.1, -0.4, 0.3, 0.8, 1.9], dtype=torch.float64)
    params = torch.zeros(univariate.num_params, 1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([params], lr=0.01)
    for _ in range(5):
        y, log_slope = univariate.forward(x, params.expand(-1, 6))
        optimizer.zero_grad()
        (y.square() / 2 - log_slope + torch.sin(3 * y)).mean().backward()
        optimizer.step()
    moved = params.detach()[:, 0]
    if univariate in MIXED[:1] + MIXED[4:6]:
        units = moved[: 3 * (len(moved) // 3)].unflatten(0, (3, -1))
        assert len({round(v, 9) for v in units[1].tolist()}) == units.shape[1]
    if isinstance(univariate, SumOfSquares):
        terms = univariate.coefficients(params.detach())[..., 0]
        assert not torch.allclose(terms[0] / terms[0, 0], terms[1] / terms[1, 0], rtol=1e-3)
    assert bool(moved.isfinite().all())
    assert bool((moved != 0).any())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SumOfSquares(0, 2), "degree=0"),
        (lambda: SumOfSquares(2, 0), "terms=0"),
        (lambda: Bernstein(0), "at least 1, got 0"),
        (lambda: Bernstein(3, (2.0, 1.0)), "2.0"),
        (lambda: MonotoneNetwork(0), "at least one unit, got 0"),
        (lambda: DeepSigmoidal(0), "units=0"),
        (lambda: DenseSigmoidal(2, 0), "layers=0"),
        (lambda: MixtureOfLogistics(0), "at least one component, got 0"),
        (lambda: MixtureOfGaussians(0), "at least one component, got 0"),
    ],
)
def test_impossible_sizes_are_refused(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
