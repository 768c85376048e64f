"""Permutation, LU, ActNorm, Standardize, Constrain, Sequential, Inverse."""

from __future__ import annotations

import pytest
import torch

import diffeo
from diffeo.audit import perturbed
from diffeo.errors import ShapeError
from diffeo.transforms import (
    LU,
    ActNorm,
    Constrain,
    Coupling,
    Elementwise,
    Inverse,
    Permutation,
    Reverse,
    Sequential,
    Standardize,
)
from diffeo.univariates import Affine


@pytest.mark.parametrize("order", [[0, 0], [1, 2], []])
def test_no_permutation(order: list[int]) -> None:
    with pytest.raises(ShapeError, match="is not a permutation"):
        Permutation(order)


def test_lu_is_the_product_of_its_triangles() -> None:
    layer = perturbed(LU(4)).double()
    x = torch.randn(6, 4, dtype=torch.float64)
    matrix = torch.autograd.functional.jacobian(lambda y: layer.inverse(y)[0], x[0])
    torch.testing.assert_close(layer.inverse(x)[0], x @ matrix.T + layer.shift)
    torch.testing.assert_close(layer.inverse(x)[1][0], torch.linalg.slogdet(matrix).logabsdet)


@pytest.mark.parametrize("raw", [1e3, -1e3, 1e30])
def test_lu_is_never_singular(raw: float) -> None:
    """zuko 1.6 leaves the diagonal free: log-det -inf at zero."""
    layer = LU(2)
    with torch.no_grad():
        layer.log_diagonal.fill_(raw)
    x = torch.randn(5, 2)
    y, ladj = layer(x)
    assert bool(y.isfinite().all() and ladj.isfinite().all())
    torch.testing.assert_close(layer.inverse(y)[0], x, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("layer", [ActNorm, Standardize])
def test_initialisation_is_explicit_and_happens_once(layer: type[ActNorm]) -> None:
    data = torch.randn(1000, 3) * torch.tensor([5.0, 0.1, 1.0]) + torch.tensor([100.0, -3, 0])
    made = layer(3).eval()
    assert torch.equal(made(data)[0], data)
    made.initialize(data)
    z, _ = made.inverse(data)
    torch.testing.assert_close(z.mean(0), torch.zeros(3), atol=1e-3, rtol=0)
    torch.testing.assert_close(z.std(0), torch.ones(3), atol=1e-2, rtol=0)
    made.initialize(data * 7)
    assert torch.equal(made.inverse(data)[0], z)
    fresh = layer(3)
    fresh.load_state_dict(made.state_dict())
    fresh.initialize(data * 7)
    assert torch.equal(fresh.inverse(data)[0], z)


def test_sequential_initialises_each_layer_on_what_reaches_it() -> None:
    stack = Sequential(ActNorm(2), Elementwise(2, diffeo.univariates.Exp()))
    data = (torch.randn(2000, 2) * 0.5 + 2).exp()
    stack.initialize(data)
    z, _ = stack.inverse(data)
    torch.testing.assert_close(z.std(0), torch.ones(2), atol=1e-2, rtol=0)


def test_inverse_refuses_to_initialise_what_it_holds() -> None:
    with pytest.raises(ShapeError, match="cannot initialise a ActNorm"):
        Inverse(ActNorm(2)).initialize(torch.randn(5, 2))


def test_parts_that_do_not_fit() -> None:
    with pytest.raises(ShapeError, match=r"Reverse gives events of shape \(2,\), but LU takes"):
        Sequential(Reverse(2), LU(3))
    first = Coupling(2, Affine(), context=1, hidden=(4,))
    second = Coupling(2, Affine(), context=2, hidden=(4,))
    with pytest.raises(ShapeError, match=r"widths \[1, 2\]"):
        Sequential(first, second)
    with pytest.raises(ShapeError, match="at least one transform"):
        Sequential()
    with pytest.raises(ShapeError, match="got none"):
        Constrain([])


def test_every_layer_refuses_no_features() -> None:
    for make in (LU, Reverse, ActNorm, Standardize):
        with pytest.raises(ShapeError, match="whole number >= 1, got 0"):
            make(0)
