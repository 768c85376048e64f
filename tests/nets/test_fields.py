"""Velocity fields: closed derivatives against automatic ones, potentials, contexts."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from diffeo.audit import perturbed
from diffeo.errors import ContextError, ShapeError
from diffeo.nets import Field, Potential, VectorField

FIELDS = {
    "VectorField": lambda d, c: VectorField(d, (8, 8), c),
    "Potential": lambda d, c: Potential(d, (6, 6, 6), c),
}


@pytest.fixture(params=FIELDS)
def field(request) -> Field:
    return perturbed(FIELDS[request.param](3, 2)).double()


def _points(generator_seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    draw = torch.Generator().manual_seed(generator_seed)
    x = 3 * torch.randn(4, 5, 3, generator=draw, dtype=torch.float64)
    return x, torch.rand(4, 5, generator=draw).double(), torch.randn(5, 2, generator=draw).double()


def test_rates_are_those_of_automatic_differentiation(field: Field) -> None:
    x, t, context = _points()
    probes = torch.eye(3, dtype=torch.float64).reshape(3, 1, 1, 3)
    found = field.rates(x, t, context, probes)
    expected = Field.rates(field, x, t, context, probes)
    assert torch.equal(found[0], field(x, t, context))
    for ours, automatic in zip(found[:2], expected[:2], strict=True):
        assert torch.allclose(ours, automatic, rtol=1e-12, atol=1e-12)
    if isinstance(field, VectorField):
        assert torch.allclose(found[2], expected[2], rtol=1e-12, atol=1e-12)


def test_a_random_probe_meets_the_jacobian(field: Field) -> None:
    """e . J e and |J^T e|^2 for the full Jacobian J of one row."""
    x, t, context = (part[0, 0] if part.ndim > 2 else part[0] for part in _points())
    t = t[0]
    probe = torch.randn(1, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    jacobian = torch.func.jacrev(lambda point: field(point, t, context))(x)
    _, divergence, penalty = Field.rates(field, x, t, context, probe)
    assert torch.allclose(divergence, probe[0] @ jacobian @ probe[0])
    assert torch.allclose(penalty, (probe[0] @ jacobian).square().sum())


def test_the_slope_of_a_potential_has_no_curl() -> None:
    field = perturbed(Potential(3, (6, 6), 2)).double()
    x, t, context = _points()
    jacobian = torch.func.jacrev(lambda point: field(point, t[0, 0], context[0]))(x[0, 0])
    assert torch.allclose(jacobian, jacobian.mT)
    assert float((jacobian - torch.diag(jacobian.diagonal())).detach().abs().max()) > 1e-3


@pytest.mark.parametrize(("in_time", "violation"), [(-0.5 * 13, 0.0), (0.0, 0.5 * 13)])
def test_the_violation_is_that_of_the_hamilton_jacobi_equation(in_time, violation) -> None:
    """f = k . x + a t solves it where a = -|k|^2 / 2."""
    field = Potential(2, (4,)).double()
    with torch.no_grad():
        field.quadratic.zero_()
        field.linear.copy_(torch.tensor([2.0, 3.0, in_time]))
    x = torch.randn(5, 2, dtype=torch.float64)
    velocity, divergence, found = field.rates(x, torch.tensor(0.3), None, torch.eye(2))
    assert torch.allclose(velocity, torch.tensor([2.0, 3.0], dtype=torch.float64))
    assert torch.allclose(divergence, torch.zeros(5, dtype=torch.float64))
    assert torch.allclose(found, torch.full((5,), violation, dtype=torch.float64))


def test_errors_name_the_field() -> None:
    with pytest.raises(ContextError, match="VectorField: conditional on a context"):
        VectorField(2, context=3)(torch.zeros(5, 2), torch.tensor(0.5))
    with pytest.raises(ShapeError, match="Potential: features must be a whole number >= 1"):
        Potential(0)
    with pytest.raises(ValueError, match="Potential needs layers of one width"):
        Potential(2, (8, 9))
    with pytest.raises(ValueError, match="at least one layer"):
        VectorField(2, ())
