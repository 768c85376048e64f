"""Planar layers: the paper's formulas in plain Python, the constraint, w = 0, training."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

import diffeo
from diffeo.audit import perturbed
from diffeo.errors import ContextError, ShapeError
from diffeo.transforms import Planar, PlanarStack
from diffeo.transforms.planar import largest_log_slope, tanh_residual_log_slope


def _set(layer: Planar, u: list[float], w: list[float], b: float) -> None:
    layer.params.data = torch.tensor([*u, *w, b], dtype=torch.float64)


def test_it_is_the_papers_formula() -> None:
    """Evaluated in plain Python, from the vectors that the layer reports."""
    layer = perturbed(Planar(3)).double()
    x = torch.randn(3, dtype=torch.float64)
    u, w, b, log_top = (t.detach() for t in layer.vectors(x))
    y, ladj = (t.detach() for t in layer(x))
    uu, ww, xx = u.tolist(), w.tolist(), x.tolist()
    at = sum(map(math.prod, zip(ww, xx, strict=True))) + float(b)
    along = sum(map(math.prod, zip(ww, uu, strict=True)))
    expected = [xi + ui * math.tanh(at) for xi, ui in zip(xx, uu, strict=True)]
    assert y.tolist() == pytest.approx(expected, abs=1e-14)
    slope = 1 + along * (1 - math.tanh(at) ** 2)
    assert float(ladj) == pytest.approx(math.log(slope), abs=1e-14)
    assert float(log_top) == pytest.approx(math.log1p(along), abs=1e-13)


def test_a_free_u_changes_along_w_alone() -> None:
    layer = Planar(2).double()
    _set(layer, [-3.0, 0.7], [2.0, 0.0], 0.1)
    u, w, _, _ = (t.detach() for t in layer.vectors(torch.zeros(2, dtype=torch.float64)))
    assert float(u[1]) == 0.7
    # 1 + w.u = exp(c tanh(asinh(-6) / c)), by hand
    bound = math.log(1000)
    top = math.exp(bound * math.tanh(math.asinh(-6) / bound))
    assert 1 + float((w * u).sum()) == pytest.approx(top, abs=1e-13)


@pytest.mark.parametrize("raw", [-1e30, -1e3, -1.0, 0.0, 1.0, 1e3, 1e30])
def test_slopes_are_bounded_for_any_raw_number(raw: float) -> None:
    value = torch.tensor(raw, dtype=torch.float64, requires_grad=True)
    top = largest_log_slope(value)
    (gradient,) = torch.autograd.grad(top, value)
    assert abs(float(top.detach())) <= math.log(1e3)
    assert 0 <= float(gradient) <= 1


def test_slopes_are_exact_where_one_plus_minus_would_cancel() -> None:
    """At the lower bound, in float32, against float64."""
    at = torch.linspace(-30, 30, 601)
    bound = torch.tensor(-math.log(1e3))
    exact = tanh_residual_log_slope(bound.double(), at.double())
    by_definition = torch.log1p(bound.double().expm1() / at.double().cosh() ** 2)
    assert torch.allclose(exact, by_definition, atol=1e-12)
    assert torch.allclose(tanh_residual_log_slope(bound, at).double(), exact, atol=2e-6)


def test_a_long_free_u_keeps_the_slope_in_float32() -> None:
    """The change of u cancels most of a free vector against w; the slope must not lose digits."""
    layer = Planar(3)
    layer.params.data = torch.tensor([-300.0, -200.0, -150.0, 0.7, 0.9, 0.4, 0.0])
    u, w, _, log_top = (t.detach().double() for t in layer.vectors(torch.zeros(3)))
    assert float(1 + (u * w).sum()) == pytest.approx(float(log_top.exp()), rel=2e-3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_w_of_zero_is_a_shift(dtype: torch.dtype) -> None:
    layer = Planar(2).to(dtype)
    layer.params.data = torch.tensor([0.5, -1.0, 0.0, 0.0, 0.3], dtype=dtype)
    x = torch.randn(5, 2, dtype=dtype, requires_grad=True)
    y, ladj = layer(x)
    assert torch.allclose(y - x, layer.params[:2] * math.tanh(0.3))
    assert float(ladj.detach().abs().max()) <= 2 * torch.finfo(dtype).eps
    back, inverse_ladj = layer.inverse(y)
    assert torch.allclose(back, x)
    (y.sum() + back.sum() + ladj.sum() + inverse_ladj.sum()).backward()
    assert bool(layer.params.grad.isfinite().all())


def test_u_is_continuous_where_w_vanishes() -> None:
    layer = Planar(2).double()
    free = torch.tensor([0.5, -1.0], dtype=torch.float64)
    for size in (1e-3, 1e-9, 1e-200):
        _set(layer, free.tolist(), [size, size], 0.0)
        u = layer.vectors(torch.zeros(2, dtype=torch.float64))[0]
        assert torch.allclose(u, free, atol=2 * size)


def test_steepest_and_flattest_layers_come_back() -> None:
    x = torch.randn(1000, 2, dtype=torch.float64) * 5
    for u in (-1e9, 1e9):
        layer = Planar(2).double()
        _set(layer, [u, 0.0], [1.0, 0.0], 0.2)
        y, ladj = layer(x)
        back, inverse_ladj = layer.inverse(y)
        # 1e9 raw is a slope of 1/1000 or 1000
        assert float(layer.vectors(x)[3].detach().abs()) == pytest.approx(math.log(1e3), rel=1e-2)
        assert float((back - x).detach().abs().max()) < 1e-8
        assert float((ladj + inverse_ladj).detach().abs().max()) < 1e-8


def test_gradients_of_the_inverse_are_those_of_the_implicit_function() -> None:
    layer = perturbed(Planar(2)).double()
    y = torch.randn(4, 2, dtype=torch.float64, requires_grad=True)

    def inverse(y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        found: tuple[Tensor, Tensor] = torch.func.functional_call(
            _Backwards(layer), {"layer.params": params}, (y,)
        )
        return found

    params = layer.params.detach().clone().requires_grad_()
    assert torch.autograd.gradcheck(inverse, (y, params))


class _Backwards(torch.nn.Module):
    def __init__(self, layer: Planar) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, y: Tensor) -> tuple[Tensor, Tensor]:
        return self.layer.inverse(y)


def test_far_points_in_float32() -> None:
    layer = perturbed(Planar(3))
    x = torch.tensor([[1e6, -1e6, 1e6], [1e6, 1e-3, 0.0]])
    back, _ = layer.inverse(layer(x)[0])
    assert torch.allclose(back, x, rtol=1e-6, atol=1.0)


def test_context_decides_the_parameters() -> None:
    layer = perturbed(Planar(2, context=1, hidden=(8,)))
    x = torch.zeros(2, 2)
    y, _ = layer(x, torch.tensor([[0.0], [1.0]]))
    assert not torch.allclose(y[0], y[1])
    with pytest.raises(ContextError, match=r"Planar: conditional on a context of shape"):
        layer(x)
    with pytest.raises(ShapeError, match="Planar: features must be"):
        Planar(0)


@pytest.mark.parametrize("context", [0, 1])
def test_training_moves_every_parameter_and_layers_differ(context: int) -> None:
    flow = diffeo.PlanarFlow(2, layers=2, context=context, hidden=(8,), seed=0)
    optimizer = torch.optim.Adam(flow.parameters(), lr=1e-2)
    before = {name: p.detach().clone() for name, p in flow.named_parameters()}
    c = torch.randn(64, 1) if context else None
    x = torch.randn(64, 2) ** 2
    for _ in range(3):
        optimizer.zero_grad()
        flow.log_prob(x, c).mean().neg().backward()
        optimizer.step()
    still = [n for n, p in flow.named_parameters() if p.numel() and torch.equal(p, before[n])]
    assert still == []
    here = None if c is None else c[:1]
    u = [vectors[0] for vectors in flow.transform[0].vectors(x, here)]
    assert not torch.allclose(*u, rtol=0.01)


def test_a_stack_is_its_layers_one_after_another() -> None:
    layers = [perturbed(Planar(3)) for _ in range(4)]
    stack = PlanarStack(3, layers=4)
    stack.params.data = torch.stack([layer.params.detach() for layer in layers])
    x = torch.randn(20, 3)
    one_by_one = diffeo.Sequential(*layers)
    for found, true in zip(
        (*stack(x), *stack.inverse(x)), (*one_by_one(x), *one_by_one.inverse(x)), strict=True
    ):
        torch.testing.assert_close(found, true, atol=1e-5, rtol=1e-5)
    with pytest.raises(ShapeError, match="layers"):
        PlanarStack(3, layers=0)
