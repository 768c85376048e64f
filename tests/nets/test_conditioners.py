"""Conditioner networks: structure of the masked ones, context, widths."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch import nn

from diffeo.errors import ContextError, ShapeError
from diffeo.nets import MLP, MaskedMLP, MaskedResidualMLP, ResidualMLP, StandardizeContext

MASKED = [MaskedMLP, MaskedResidualMLP]
PLAIN = [MLP, ResidualMLP]


def fill(net: nn.Module) -> nn.Module:
    """Random values in every weight, whatever the initialisation zeroed."""
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.normal_()
    return net.double()


@pytest.mark.parametrize("net", MASKED)
@pytest.mark.parametrize("context", [0, 3])
@pytest.mark.parametrize("order", [[0], [0, 1], [2, 0, 1], [4, 7, 0, 1, 6, 3, 2, 5]], ids=len)
@pytest.mark.parametrize("width", [16, 3])
def test_jacobian_is_exactly_zero_where_it_must_be(
    net: type[MaskedMLP], context: int, order: list[int], width: int
) -> None:
    size, blocks = len(order), 2
    made = fill(net(size, blocks, (width, width), order, context))
    c = torch.randn(context, dtype=torch.float64) if context else None
    x = torch.randn(size, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda v: made(v, c), x)
    jacobian = jacobian.unflatten(0, (blocks, size))
    place = {feature: i for i, feature in enumerate(order)}
    for block, out, into in product(range(blocks), range(size), range(size)):
        entry = float(jacobian[block, out, into])
        if place[into] >= place[out]:
            assert entry == 0.0, (out, into)
        elif width == 16:
            assert entry != 0.0, (out, into)


@pytest.mark.parametrize("net", MASKED)
def test_every_output_sees_the_whole_context(net: type[MaskedMLP]) -> None:
    made = fill(net(4, 2, (16, 16), context=3))
    x = torch.randn(4, dtype=torch.float64)
    c = torch.randn(3, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda v: made(x, v), c)
    assert bool((jacobian != 0).all())


@pytest.mark.parametrize("net", MASKED)
@pytest.mark.parametrize("order", [[0, 0, 1], [1, 2, 3], [0, 1]])
def test_an_order_that_is_no_permutation(net: type[MaskedMLP], order: list[int]) -> None:
    with pytest.raises(ShapeError, match=r"permutation of 0\.\.2"):
        net(3, 2, order=order)


@pytest.mark.parametrize("net", [*PLAIN, *MASKED])
def test_the_output_starts_at_zero(net: type[MLP]) -> None:
    made = net(3, 4, (16, 16), context=2)
    assert not bool(made(torch.randn(5, 3), torch.randn(5, 2)).any())


@pytest.mark.parametrize("net", [*PLAIN, *MASKED])
def test_context_broadcasts_and_is_checked(net: type[MLP]) -> None:
    made = fill(net(3, 4, (16, 16), context=2))
    x, c = torch.randn(5, 1, 3).double(), torch.randn(6, 2).double()
    out = made(x, c)
    torch.testing.assert_close(out[2, 4], made(x[2, 0], c[4]))
    with pytest.raises(ContextError, match=r"got none"):
        made(x)
    with pytest.raises(ContextError, match=r"\(\*batch, 2\).*\(6, 3\)"):
        made(x, torch.randn(6, 3).double())


@pytest.mark.parametrize("net", PLAIN)
def test_no_inputs_but_a_context(net: type[MLP]) -> None:
    made = fill(net(0, 4, (16, 16), context=2))
    c = torch.randn(5, 2).double()
    assert made(c[:, :0], c).shape == (5, 4)


@pytest.mark.parametrize("net", [MLP, MaskedMLP])
def test_no_hidden_layers(net: type[MLP]) -> None:
    with pytest.raises(ValueError, match="at least one layer"):
        net(3, 4, ())


@pytest.mark.parametrize("net", [ResidualMLP, MaskedResidualMLP])
def test_residual_widths_must_agree(net: type[MLP]) -> None:
    with pytest.raises(ValueError, match=r"one width, got \(16, 8\)"):
        net(3, 4, (16, 8))


def test_contexts_are_standardised_once() -> None:
    layer = StandardizeContext(2)
    c = torch.randn(500, 2) * torch.tensor([5.0, 0.1]) + torch.tensor([100.0, -3.0])
    assert torch.equal(layer(c), c)
    layer.initialize(c)
    torch.testing.assert_close(layer(c).mean(0), torch.zeros(2), atol=1e-4, rtol=0)
    torch.testing.assert_close(layer(c).std(0), torch.ones(2), atol=1e-2, rtol=0)
    before = layer(c)
    layer.initialize(c + 50)
    assert torch.equal(layer(c), before)


def test_a_constant_context_stays_finite() -> None:
    layer = StandardizeContext(1)
    layer.initialize(torch.full((10, 1), 4.0))
    assert torch.equal(layer(torch.full((2, 1), 4.0)), torch.zeros(2, 1))
