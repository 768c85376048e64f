"""Lipschitz networks: spectral norms from above, slopes of at most one, their own Jacobians."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from diffeo.audit import perturbed
from diffeo.errors import ContextError, ShapeError
from diffeo.nets import LipschitzDense, LipschitzMLP
from diffeo.nets.lipschitz.spectral import spectral_bound
from diffeo.nets.lipschitz.swish import ConcatenatedLipSwish, LipSwish

NETS = [LipschitzMLP, LipschitzDense]
Net = type[LipschitzMLP | LipschitzDense]


def _scaled(net: LipschitzMLP | LipschitzDense, factor: float) -> LipschitzMLP | LipschitzDense:
    """Weights far from their start, and ``factor`` times as large."""
    moved = perturbed(net).double()
    with torch.no_grad():
        for parameter in moved.parameters():
            parameter.mul_(factor)
    return moved


def _jacobians(net: LipschitzMLP | LipschitzDense, x: Tensor, c: Tensor | None) -> Tensor:
    """By autograd, (rows, out, in)."""
    x = x.clone().requires_grad_()
    out = net(x, c)
    rows = [torch.autograd.grad(column.sum(), x, retain_graph=True)[0] for column in out.unbind(-1)]
    return torch.stack(rows, dim=-2)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (128, 2), (40, 40), (64, 128)])
@pytest.mark.parametrize("equal", [False, True])
def test_the_bound_lies_just_above_the_spectral_norm(shape: tuple[int, int], equal: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(shape, generator=generator, dtype=torch.float64)
    if equal:  # all singular values are one, where the bound is worst
        weight = torch.linalg.qr(weight if shape[0] >= shape[1] else weight.t()).Q
    norm = float(torch.linalg.matrix_norm(weight, 2))
    for dtype, rounding in ((torch.float64, 1e-12), (torch.float32, 1e-5)):
        ratio = float(spectral_bound(weight.to(dtype))) / norm
        assert 1 - rounding <= ratio <= min(shape) ** (1 / 128) + rounding


def test_the_gradient_of_the_bound_is_exact() -> None:
    weight = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(spectral_bound, weight)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_matrix_of_zeros_has_no_norm_and_no_gradient(dtype: torch.dtype) -> None:
    weight = torch.zeros(5, 3, dtype=dtype, requires_grad=True)
    bound = spectral_bound(weight)
    bound.backward()
    assert float(bound.detach()) < 2e-6
    assert weight.grad is not None
    assert not bool(weight.grad.any())


@pytest.mark.parametrize("beta", [-3.0, 0.5, 20.0])
def test_no_activation_has_a_slope_above_one(beta: float) -> None:
    x = torch.linspace(-80, 80, 200_001, dtype=torch.float64)[:, None].requires_grad_()
    for activation in (LipSwish().double(), ConcatenatedLipSwish().double()):
        activation.raw_beta.data.fill_(beta)
        value, slope = activation.activate(x)
        columns = value.unbind(-1)
        found = [torch.autograd.grad(c.sum(), x, retain_graph=True)[0][:, 0] for c in columns]
        assert torch.allclose(torch.stack(found, dim=-1), slope, rtol=0, atol=1e-12)
        assert 0.999 < float(slope.detach().norm(dim=-1).max()) <= 1


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("factor", [1.0, 30.0])
@pytest.mark.parametrize("coefficient", [0.5, 0.97])
def test_the_lipschitz_bound_holds_for_any_weights(
    net: Net, factor: float, coefficient: float
) -> None:
    torch.manual_seed(0)
    largest = 0.0
    for hidden in ((16,), (32, 32, 32)):
        made = _scaled(net(3, 3, hidden, context=2, coefficient=coefficient), factor)
        x = torch.randn(300, 3, dtype=torch.float64)
        c = torch.randn(300, 2, dtype=torch.float64)
        norms = torch.linalg.matrix_norm(_jacobians(made, x, c), 2)
        largest = max(largest, float(norms.max()))
    assert 0.05 < largest <= coefficient


@pytest.mark.parametrize("net", NETS)
def test_a_net_can_come_near_its_constant(net: Net) -> None:
    """A bound that were far too careful would make every layer the identity."""
    torch.manual_seed(0)
    made = net(1, 1, (16, 16), coefficient=0.9)
    optimizer = torch.optim.Adam(made.parameters(), lr=0.02)
    for _ in range(150):
        optimizer.zero_grad()
        (made(torch.tensor([[0.0]])) - made(torch.tensor([[1.0]]))).sum().backward()
        optimizer.step()
    x = torch.linspace(0, 1, 50)[:, None]
    assert float(_jacobians(made, x, None).max()) > 0.75 * 0.9


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("context", [0, 2])
def test_pushed_tangents_are_those_of_autograd(net: Net, context: int) -> None:
    torch.manual_seed(0)
    made = _scaled(net(3, 3, (8, 6), context=context), 2.0)
    x = torch.randn(5, 3, dtype=torch.float64)
    c = torch.randn(5, context, dtype=torch.float64) if context else None
    tangents = torch.randn(5, 4, 3, dtype=torch.float64)
    value, push = made.fixed(c)(x)
    assert torch.equal(value, made(x, c))
    expected = (_jacobians(made, x, c).unsqueeze(1) @ tangents.unsqueeze(-1)).squeeze(-1)
    assert torch.allclose(push(tangents), expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("net", NETS)
def test_nothing_but_the_weights_decides(net: Net) -> None:
    """No buffer that a forward pass changes, so training and evaluation agree at every time."""
    made = net(2, 2, (8,))
    assert list(made.buffers()) == []
    assert float(made(torch.ones(2)).detach().abs().max()) == 0.0


@pytest.mark.parametrize("net", NETS)
def test_wrong_sizes_are_named(net: Net) -> None:
    with pytest.raises(ShapeError, match="hidden must name at least one layer's width"):
        net(2, 2, ())
    with pytest.raises(ValueError, match=r"a width in hidden must be a whole number >= 1, got 0"):
        net(2, 2, (4, 0))
    for coefficient in (0.0, 1.0, -0.5, float("nan")):
        with pytest.raises(ValueError, match=r"coefficient must lie in \(0, 1\)"):
            net(2, 2, coefficient=coefficient)
    with pytest.raises(ContextError, match="conditional on a context"):
        net(2, 2, (4,), context=3)(torch.zeros(2))
