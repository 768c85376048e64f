"""The rational-quadratic spline at wild parameters, on knots and far out."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from diffeo.univariates import RationalQuadraticSpline

SPLINE = RationalQuadraticSpline(bins=8, interval=(-5.0, 5.0))


def wild(count: int, sd: float, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return sd * torch.randn(SPLINE.num_params, count, generator=generator, dtype=dtype)


def knots(params: Tensor) -> tuple[Tensor, Tensor]:
    """Positions (bins + 1, ...) of all knots of x, and of y, from the formula."""
    sides = []
    for logits in (params[: SPLINE.bins], params[SPLINE.bins : 2 * SPLINE.bins]):
        least = SPLINE.min_fraction
        shares = least + (1 - least * SPLINE.bins) * logits.softmax(0)
        start = torch.zeros_like(logits[:1])
        rest = torch.cat([start, shares.cumsum(0)])
        sides.append(SPLINE.low + (SPLINE.high - SPLINE.low) * rest)
    return sides[0], sides[1]


def test_a_million_points_at_wild_parameters_come_back() -> None:
    count = 1_000_000
    x = 3 * torch.randn(count, generator=torch.Generator().manual_seed(1))
    params = wild(count, sd=5.0)
    y, forward = SPLINE.forward(x, params)
    again, inverse = SPLINE.inverse(y, params)
    for value in (y, forward, again, inverse):
        assert bool(value.isfinite().all())
    assert bool((y[x.abs() < 5].abs() <= 5 + 1e-5).all())
    error = (again - x).abs()
    assert float(error.max()) <= 10.0  # the interval's length
    # at such slopes one rounding of y moves x far: compare with that floor, found in float64
    wide = params[:, ::10].double()
    exact, _ = SPLINE.forward(x[::10].double(), wide)
    floor = (SPLINE.inverse(exact.float().double(), wide)[0] - x[::10]).abs()
    for q in (0.5, 0.9, 0.99):
        assert float(error[::10].quantile(q)) <= 2 * float(floor.quantile(q)) + 1e-6


def test_wild_parameters_in_float64_come_back() -> None:
    params = wild(50_000, sd=5.0, dtype=torch.float64)
    x = 3 * torch.randn(50_000, dtype=torch.float64)
    y, forward = SPLINE.forward(x, params)
    again, inverse = SPLINE.inverse(y, params)
    # slopes reach 1e6 in the narrowest bins
    assert float((again - x).abs().max()) < 1e-6
    assert float((forward + inverse).abs().max()) < 1e-4


@pytest.mark.parametrize("sd", [0.0, 1.0, 5.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_on_knots_at_the_ends_and_far_out(sd: float, dtype: torch.dtype) -> None:
    params = wild(50, sd, dtype=dtype)
    ends = torch.tensor([SPLINE.low, SPLINE.high, 1e6, -1e6], dtype=dtype)
    for act, inner in zip((SPLINE.forward, SPLINE.inverse), knots(params), strict=True):
        points = torch.cat([inner, ends[:, None].expand(4, 50)])
        above = torch.nextafter(points, torch.full_like(points, torch.inf))
        below = torch.nextafter(points, torch.full_like(points, -torch.inf))
        for x in (points, above, below):
            x = x.clone().requires_grad_()
            raw = params[:, None].expand(-1, len(x), 50).clone().requires_grad_()
            value, ladj = act(x, raw)
            assert bool(value.isfinite().all() and ladj.isfinite().all())
            for part in (value, ladj):
                for gradient in torch.autograd.grad(part.sum(), (x, raw), retain_graph=True):
                    assert bool(gradient.isfinite().all())


def test_knots_map_to_knots_with_the_declared_slopes() -> None:
    params = wild(20, sd=1.0, dtype=torch.float64)
    x, y = knots(params)
    raw = params[:, None].expand(-1, len(x), 20)
    found, ladj = SPLINE.forward(x, raw)
    torch.testing.assert_close(found, y, rtol=0, atol=1e-12)
    bound = torch.log(torch.tensor(1000.0, dtype=torch.float64))
    slopes = bound * torch.tanh(params[2 * SPLINE.bins :] / bound)
    torch.testing.assert_close(ladj[1:-1], slopes, rtol=0, atol=1e-9)
    assert float(ladj[[0, -1]].abs().max()) < 1e-12


def test_pulled_to_one_corner_it_still_inverts() -> None:
    """The adversarial case of the quadratic's discriminant: extreme bins and extreme slopes."""
    params = torch.zeros(SPLINE.num_params, 4, dtype=torch.float32)
    params[0, :2], params[15, :2] = 100.0, 100.0
    params[7, 2:], params[8, 2:] = 100.0, 100.0
    params[16:, ::2], params[16:, 1::2] = 50.0, -50.0
    v = torch.linspace(-4.999, 4.999, 10_001)[:, None].expand(-1, 4)
    x, ladj = SPLINE.inverse(v, params[:, None].expand(-1, 10_001, 4))
    assert bool(x.isfinite().all() and ladj.isfinite().all())
    assert bool((x.abs() <= 5).all())
    # one ulp may go the other way
    assert float(x.diff(dim=0).min()) > -1e-5
