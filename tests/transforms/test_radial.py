"""Radial layers: the paper's formulas in plain Python, the closed inverse, the centre, far out."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from diffeo.audit import perturbed
from diffeo.errors import ShapeError
from diffeo.transforms import Radial


def _with(dtype: torch.dtype, features: int, log_alpha: float, top: float) -> Radial:
    layer = Radial(features).to(dtype)
    layer.params.data = torch.tensor([0.5] * features + [log_alpha, top], dtype=dtype)
    return layer


@pytest.mark.parametrize("features", [1, 2, 5])
def test_it_is_the_papers_formula(features: int) -> None:
    layer = perturbed(Radial(features)).double()
    x = torch.randn(features, dtype=torch.float64)
    centre, alpha, inner = (t.tolist() for t in layer.shape_of(x))
    beta = inner - alpha
    step = [a - b for a, b in zip(x.tolist(), centre, strict=True)]
    r = math.hypot(*step)
    h, slope = 1 / (alpha + r), -1 / (alpha + r) ** 2
    y, ladj = layer(x)
    expected = [a + beta * h * s for a, s in zip(x.tolist(), step, strict=True)]
    assert y.tolist() == pytest.approx(expected, abs=1e-14)
    value = (features - 1) * math.log1p(beta * h) + math.log1p(beta * h + beta * slope * r)
    assert float(ladj.detach()) == pytest.approx(value, abs=1e-14)


def test_the_constraint_holds_for_any_raw_numbers() -> None:
    for raw in (-1e30, -5.0, 5.0, 1e30):
        for log_alpha in (-1e30, 0.0, 1e30):
            layer = _with(torch.float64, 2, log_alpha, raw)
            _, alpha, inner = layer.shape_of(torch.zeros(2, dtype=torch.float64))
            assert 0.999e-3 <= float(alpha.detach()) <= 1.001e3
            # alpha + beta > 0 is beta > -alpha
            assert 0.999e-3 <= float((inner / alpha).detach()) <= 1.001e3


@pytest.mark.parametrize("top", [-1e9, -2.0, 0.0, 2.0, 1e9])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_closed_inverse_is_exact_from_the_centre_to_far_out(
    top: float, dtype: torch.dtype
) -> None:
    layer = _with(dtype, 3, 0.3, top)
    size = torch.cat([torch.zeros(1), torch.logspace(-12, 6, 200)]).to(dtype)
    direction = torch.tensor([0.6, -0.8, 0.0], dtype=dtype)
    # around 0, so that small steps keep their digits
    layer.params.data[:3] = 0
    x = size[:, None] * direction
    y, ladj = layer(x)
    back, inverse_ladj = layer.inverse(y)
    error = (back - x).abs().amax(-1) / (size + torch.finfo(dtype).tiny)
    slope = torch.exp(-ladj.abs()).clamp(max=1)
    assert bool((error * slope <= 200 * torch.finfo(dtype).eps).all())
    assert float((ladj + inverse_ladj).detach().abs().max()) <= 1e5 * torch.finfo(dtype).eps


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_centre_has_the_gradients_of_a_smooth_point(dtype: torch.dtype) -> None:
    layer = _with(dtype, 2, 0.0, 1.0)
    for direction in (layer, layer.inverse):
        x = torch.full((1, 2), 0.5, dtype=dtype, requires_grad=True)
        y, ladj = direction(x)
        assert torch.equal(y, x)
        jacobian = _jacobian(direction, x)
        # dy/dx is (1 + beta / alpha) times the identity there
        _, alpha, inner = layer.shape_of(x)
        factor = inner / alpha if direction is layer else alpha / inner
        assert torch.allclose(jacobian, factor * torch.eye(2, dtype=dtype))
        assert torch.allclose(ladj, 2 * factor.log())
        (gradient,) = torch.autograd.grad(ladj.sum(), x)
        assert bool(gradient.isfinite().all())


def _jacobian(direction: Callable[[Tensor], tuple[Tensor, Tensor]], x: Tensor) -> Tensor:
    return torch.autograd.functional.jacobian(lambda x: direction(x)[0][0], x)[:, 0]


def test_in_one_dimension_the_factor_across_does_not_count() -> None:
    layer = perturbed(Radial(1)).double()
    x = torch.randn(50, 1, dtype=torch.float64, requires_grad=True)
    y, ladj = layer(x)
    (slope,) = torch.autograd.grad(y.sum(), x)
    assert torch.allclose(ladj, slope[:, 0].log())


def test_errors() -> None:
    with pytest.raises(ShapeError, match="Radial: features must be"):
        Radial(0)
