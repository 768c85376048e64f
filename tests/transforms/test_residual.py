"""Residual layers: log-determinants against autograd, unbiased estimates, the fixed point."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from diffeo.audit import perturbed
from diffeo.audit.calculus import autograd_ladj
from diffeo.errors import ContextError, ShapeError
from diffeo.transforms import Inverse, Residual

WIDE = 9  # beyond the exact log-determinants of training


def _layer(features: int, *, strength: float = 1.0, **options: Any) -> Residual:
    """A layer of float64 far from the identity, in evaluation mode."""
    torch.manual_seed(0)
    layer = (
        perturbed(Residual(features, **{"hidden": (16, 16), "exact": 8, **options})).double().eval()
    )
    with torch.no_grad():
        for parameter in layer.net.output.parameters():
            parameter.mul_(strength)
    return layer


def _contracting() -> Residual:
    """Many columns, with a Jacobian near -0.6 everywhere: long series, of finite variance."""
    layer = _layer(WIDE, hidden=(8,), dense=True)
    with torch.no_grad():
        layer.net.output.weight[:, :WIDE] -= 3 * torch.eye(WIDE)
        layer.net.stages[0].angle.fill_(0.8)
    return layer


def _points(rows: int, features: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(rows, features, generator=generator, dtype=torch.float64)


def _standard_errors(estimates: Tensor, truth: Tensor) -> Tensor:
    """How far the mean of estimates (draws, ...) is from the truth, in its standard errors."""
    error = estimates.std(0) / len(estimates) ** 0.5
    return (estimates.mean(0) - truth).abs() / error


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("features", [1, 5, WIDE])
def test_the_ladj_is_that_of_autograd(features: int, dense: bool) -> None:
    layer = _layer(features, dense=dense, context=2, strength=100.0)
    x, c = _points(20, features), _points(20, 2)
    ladj = layer(x, c)[1].detach()
    assert torch.allclose(ladj, autograd_ladj(lambda p: layer(p, c)[0], x), rtol=0, atol=1e-12)
    assert float(ladj.abs().max()) > 0.02


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("features", [1, 3, WIDE])
def test_round_trips_are_exact_near_the_largest_constant(features: int, dense: bool) -> None:
    layer = _layer(features, dense=dense, coefficient=0.999, strength=100.0)
    y = 3 * _points(50, features)
    with torch.no_grad():
        x, ladj = layer.inverse(y)
        again, forward = layer(x)
        back, residual = layer.inverse(again)[0], layer.residual(y)
    assert float((again - y).abs().max()) < 1e-12
    assert float((back - x).abs().max()) < 1e-10
    assert torch.allclose(ladj, -forward, rtol=0, atol=1e-12)
    assert float(residual.max()) < 1e-12


def test_far_and_broken_rows_leave_the_others_alone() -> None:
    for features in (2, WIDE):
        layer = _layer(features)
        y = _points(4, features)
        clean = layer.inverse(y)[0]
        y[1], y[2, 0] = 1e9, torch.nan
        x = layer.inverse(y)[0]
        assert torch.allclose(x[[0, 3]], clean[[0, 3]], rtol=0, atol=1e-14)
        assert float((layer(x[1])[0] - 1e9).abs().max().detach()) < 1e-5
        assert bool(x[2].isnan().any())
        assert layer.inverse(y[:0])[0].shape == (0, features)


@pytest.mark.parametrize("features", [2, WIDE])
def test_the_inverse_has_implicit_gradients(features: int) -> None:
    layer = _layer(features, context=2, hidden=(8,), strength=5.0)
    y, c = _points(2, features).requires_grad_(), _points(2, 2).requires_grad_()
    bias = layer.net.output.bias

    def back(y: Tensor, c: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
        bias.data += shift.detach()
        x, ladj = layer.inverse(y, c)
        bias.data -= shift.detach()
        return x, ladj

    zero = torch.zeros_like(bias)
    assert torch.autograd.gradcheck(lambda y, c: back(y, c, zero), (y, c), atol=1e-6)
    x, ladj = layer.inverse(y, c)
    total = (x * _points(2, features)).sum() + ladj.sum()
    (gradient,) = torch.autograd.grad(total, bias)
    step = torch.full_like(bias, 1e-6)
    ends = [back(y, c, sign * step) for sign in (1, -1)]
    values = [(x * _points(2, features)).sum() + ladj.sum() for x, ladj in ends]
    slope = (values[0] - values[1]) / 2e-6
    assert float(slope.detach()) == pytest.approx(float(gradient.sum()), rel=1e-6)


def test_estimates_are_unbiased() -> None:
    """Within 5 standard errors at each of 4 points: by chance, less than once in 400,000 seeds."""
    layer = _contracting()
    x = _points(4, WIDE)
    with torch.no_grad():
        estimates = layer.estimate_ladj(x, draws=2000, generator=torch.Generator().manual_seed(0))
        truth = layer(x)[1]
    assert estimates.shape == (2000, 4)
    assert float(_standard_errors(estimates, truth).max().detach()) < 5
    # they could tell a series that ends after the terms which all rows take
    jacobian = torch.func.vmap(torch.func.jacrev(lambda p: layer(p)[0]))(x) - torch.eye(WIDE)
    terms = jacobian - jacobian @ jacobian / 2
    short = terms.diagonal(dim1=1, dim2=2).sum(1)
    assert float(_standard_errors(estimates, short).max().detach()) > 5


def test_gradients_of_estimates_are_unbiased_for_rows_of_any_weight() -> None:
    layer = _contracting()
    x, weight = _points(3, WIDE).requires_grad_(), torch.tensor([1.0, -3.0, 0.5]).double()
    wanted = [x, layer.net.stages[0].linear.weight, layer.net.output.bias]

    def gradients() -> Tensor:
        y, ladj = layer(x)
        loss = (weight * ladj).sum() + (weight * y.square().sum(-1)).sum()
        return torch.cat([g.flatten() for g in torch.autograd.grad(loss, wanted)])

    truth = gradients()
    layer.train()
    torch.manual_seed(0)
    found = torch.stack([gradients() for _ in range(120)])
    exact = found.std(0) < 1e-9 * (1 + truth.abs())  # of the last bias, which no Jacobian holds
    assert torch.allclose(found.mean(0)[exact], truth[exact], rtol=1e-9)
    assert float(_standard_errors(found, truth)[~exact].max()) < 5
    assert int((~exact).sum()) == 3 * WIDE + 8 * WIDE


def test_training_keeps_the_inputs_of_estimates_alone() -> None:
    layer = _layer(WIDE, hidden=(64, 64)).train()
    x = _points(100, WIDE).requires_grad_()
    kept = 0

    def pack(t: Tensor) -> Tensor:
        nonlocal kept
        kept += t.numel() if t.numel() >= 100 * WIDE and t.shape != (64, 64) else 0
        return t

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        layer(x)[1].sum()
    assert kept <= 4 * x.numel()


def test_the_same_seed_gives_the_same_estimates() -> None:
    layer = _layer(WIDE).train()
    x = _points(3, WIDE)
    found = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        found.append(layer(x)[1])
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])
    generators = [torch.Generator().manual_seed(0) for _ in range(2)]
    drawn = [layer.estimate_ladj(x, draws=3, generator=g) for g in generators]
    assert torch.equal(*drawn)
    assert bool((drawn[0].std(0) > 0).all())


def test_what_is_declared() -> None:
    for features, options, exactness in (
        (8, {}, "exact"),
        (16, {}, "exact"),
        (17, {}, "estimate"),
        (17, {"exact": 17}, "exact"),
        (2, {"exact": 0}, "estimate"),
    ):
        layer = Residual(features, hidden=(4,), **options)
        assert layer.exactness == Inverse(layer).exactness == exactness
        # the plain steps of a wide inverse are counted as they come
        assert layer.compiles == (exactness == "exact" and features <= 8)


def test_evaluation_is_exact_also_where_training_is_not() -> None:
    layer = _layer(2, exact=0)
    x = _points(5, 2)
    assert torch.equal(layer(x)[1], layer(x)[1])
    assert not torch.equal(layer.train()(x)[1], layer(x)[1])


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(ShapeError, match="Residual: features must be a whole number >= 1"):
        Residual(0)
    with pytest.raises(ValueError, match="coefficient must lie in"):
        Residual(2, coefficient=1.0)
    with pytest.raises(ValueError, match="draws must be a whole number >= 1, got 0"):
        Residual(2).estimate_ladj(torch.zeros(2), draws=0)
    with pytest.raises(ContextError, match="Residual: conditional on a context"):
        Residual(2, context=1)(torch.zeros(2))
