"""Continuous: closed forms, orders of solvers, estimators, gradients, costs, errors."""

from __future__ import annotations

import math
import sys
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import diffeo
from diffeo.audit import perturbed
from diffeo.audit.copies import compiler
from diffeo.chunks import widths_of
from diffeo.errors import MissingExtraError, ShapeError, SolverError
from diffeo.nets import Field, Potential
from diffeo.transforms import Continuous

MATRIX = torch.tensor([[0.3, -1.2, 0.1], [0.9, -0.4, 0.5], [0.0, 0.7, 0.6]], dtype=torch.float64)


class Linear(Field):
    """v = A x."""

    def __init__(self) -> None:
        super().__init__(3)
        self.matrix = nn.Parameter(MATRIX.clone())

    def forward(self, x: Tensor, t: Tensor, context: Tensor | None = None) -> Tensor:
        return x @ self.matrix.mT


class Exploding(Field):
    """v = x^2, which is infinite at t = 1 / x."""

    def forward(self, x: Tensor, t: Tensor, context: Tensor | None = None) -> Tensor:
        return x.square()


def _random(features: int, **options: Any) -> Continuous:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layer = perturbed(Continuous(features, hidden=(16, 16), **options))
    return layer.double().eval()


def _noise(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize(
    "options", [{"steps": 100}, {"solver": "dopri5", "tolerance": 1e-10}], ids=["rk4", "dopri5"]
)
def test_a_linear_field_gives_the_normal_of_its_matrix_exponential(options) -> None:
    flow = diffeo.Flow(diffeo.bases.StandardNormal(3), Continuous(3, field=Linear(), **options))
    flow = flow.double()
    end = torch.linalg.matrix_exp(MATRIX)
    truth = torch.distributions.MultivariateNormal(
        torch.zeros(3, dtype=torch.float64), end @ end.mT
    )
    x = 2 * _noise(20, 3)
    assert torch.allclose(flow.log_prob(x), truth.log_prob(x), rtol=0, atol=1e-8)
    y, ladj = flow.transform(x)
    assert torch.allclose(y, x @ end.mT, rtol=0, atol=1e-8)
    assert torch.allclose(ladj, MATRIX.trace().expand(20), rtol=0, atol=1e-8)


@pytest.mark.parametrize(("solver", "order"), [("euler", 1), ("midpoint", 2), ("rk4", 4)])
@torch.no_grad()
def test_errors_fall_with_the_order_of_the_solver(solver: Any, order: int) -> None:
    x = _noise(50, 3)
    truth = x @ torch.linalg.matrix_exp(MATRIX).mT
    few, many = (
        float((Continuous(3, field=Linear(), solver=solver, steps=n)(x)[0] - truth).abs().max())
        for n in (10, 20)
    )
    assert math.log2(few / many) == pytest.approx(order, abs=0.3)


@pytest.mark.parametrize("noise", ["rademacher", "normal"])
@torch.no_grad()
def test_hutchinson_is_unbiased_within_five_standard_errors(noise: Any) -> None:
    layer = _random(9, steps=2, noise=noise)
    assert layer.exactness == "estimate"
    exact = _random(9, steps=2, trace="exact")
    assert exact.exactness == "exact"
    x = _noise(9).expand(4000, 9)
    torch.manual_seed(0)
    _, estimates = layer(x)
    _, truth = exact(x[:1])
    error = float(estimates.detach().std()) / math.sqrt(len(x))
    assert error > 1e-4
    assert abs(float(estimates.mean() - truth)) < 5 * error


@torch.no_grad()
def test_estimates_become_exact_in_evaluation_mode() -> None:
    layer, exact = _random(3, trace="hutchinson"), _random(3, trace="exact")
    x = _noise(10, 3)
    assert layer.exactness == "exact"
    assert torch.equal(layer(x)[1], exact(x)[1])
    layer.train()
    torch.manual_seed(0)
    estimates = layer(x)[1]
    assert float((estimates - exact(x)[1]).abs().max()) > 1e-3
    torch.manual_seed(0)
    assert torch.equal(layer(x)[1], estimates)


def test_adjoint_and_direct_gradients_agree() -> None:
    gradients = []
    for adjoint in (False, True):
        layer = _random(2, context=3, solver="dopri5", tolerance=1e-9, adjoint=adjoint)
        x, context = _noise(6, 2).requires_grad_(), _noise(6, 3).requires_grad_()
        y, ladj = layer.inverse(x, context)
        loss = y.sin().sum() + ladj.sum()
        gradients.append(torch.autograd.grad(loss, [x, context, *layer.parameters()]))
    for direct, solved in zip(*gradients, strict=True):
        assert torch.allclose(direct, solved, rtol=1e-6, atol=1e-6)


def test_evaluations_can_be_read() -> None:
    x = _noise(5, 2)
    for solver, count in (("euler", 7), ("midpoint", 14), ("rk4", 28)):
        layer = _random(2, solver=solver, steps=7)
        layer(x)
        assert layer.evaluations == count
    found = []
    for tolerance in (1e-3, 1e-9):
        layer = _random(2, solver="dopri5", tolerance=tolerance)
        layer.inverse(x)
        found.append(layer.evaluations)
    assert 0 < found[0] < found[1]


def test_chunks_reckon_with_a_column_for_every_feature() -> None:
    widths = {layer.trace: max(widths_of(layer, (9,))) for layer in map(_nine, ("auto", "exact"))}
    assert widths == {"auto": 2 * 16, "exact": 10 * 16}


def _nine(trace: Any) -> Continuous:
    return _random(9, trace=trace)


def test_transport_is_forward_without_the_ladj() -> None:
    layer = _random(3, context=2)
    x, context = _noise(4, 5, 3), _noise(5, 2)
    assert torch.equal(layer.transport(x, context), layer(x, context)[0])


@pytest.mark.parametrize("solver", ["rk4", "dopri5"])
def test_the_costs_of_a_path_are_the_integrals(solver: Any) -> None:
    """Of v = A x the squared Frobenius norm is constant; the energy is a quadrature."""
    layer = Continuous(3, field=Linear(), solver=solver, steps=50)
    y = _noise(10, 3)
    path = layer.inverse_path(y)
    x, ladj = layer.inverse(y)
    assert torch.allclose(path.end, x)
    assert torch.allclose(path.ladj, ladj)
    times = (torch.arange(2000, dtype=torch.float64) + 0.5) / 2000
    along = torch.linalg.matrix_exp(times[:, None, None] * MATRIX) @ x.mT.detach()
    energy = (MATRIX @ along).square().sum(1).mean(0)
    assert torch.allclose(path.kinetic, energy, rtol=1e-5)
    assert torch.allclose(path.penalty, MATRIX.square().sum().expand(10))


def test_a_row_that_is_not_finite_leaves_the_others_alone() -> None:
    layer = _random(2, solver="dopri5")
    x = _noise(3, 2)
    x[1, 0] = torch.nan
    y, ladj = layer(x)
    assert bool(y[1].isnan().all() & ladj[1].isnan())
    assert torch.allclose(y[[0, 2]], layer(x[[0, 2]])[0])
    assert layer(x[:0])[0].shape == (0, 2)


def test_a_potential_is_exact_in_many_dimensions() -> None:
    layer = perturbed(Continuous(12, field=Potential(12, (8, 8)), steps=8)).double().train()
    assert layer.exactness == "exact"
    x = _noise(1, 12)
    jacobian = torch.func.jacrev(lambda point: layer(point)[0])(x).reshape(12, 12)
    truth = torch.linalg.slogdet(jacobian).logabsdet
    assert torch.allclose(layer(x)[1], truth, rtol=0, atol=1e-4)


@pytest.mark.parametrize("field", [None, Potential(3, (4, 4)), Linear()], ids=lambda f: type(f))
def test_fixed_steps_trace_whole(field: Field | None) -> None:
    layer = Continuous(3, field=field, hidden=(8,), steps=1).double()
    x = _noise(4, 3)
    plain = layer.inverse(x)
    with compiler() as compiled:
        traced = compiled(layer.inverse)(x)
    assert all(torch.allclose(a, b) for a, b in zip(plain, traced, strict=True))


def test_an_explosion_is_an_error_that_says_what_to_do() -> None:
    layer = Continuous(1, field=Exploding(1), solver="dopri5")
    with pytest.raises(SolverError, match="does not reach its tolerance"):
        layer(torch.full((1, 1), 5.0))


def test_a_missing_solver_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchdiffeq", None)
    with pytest.raises(MissingExtraError, match=r"diffeo\[continuous\]"):
        Continuous(2, solver="dopri5")(torch.zeros(1, 2))
    Continuous(2)(torch.zeros(1, 2))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"solver": "rk5"}, "solver must be one of"),
        ({"steps": 0}, "steps must be a whole number >= 1"),
        ({"tolerance": 0.0}, "tolerance must be positive"),
        ({"trace": "none"}, "trace must be one of"),
        ({"noise": "cauchy"}, "noise must be one of"),
        ({"adjoint": True}, "takes an adaptive solver"),
        ({"field": nn.Linear(2, 2)}, "must be a diffeo.nets.Field, got a Linear"),
        ({"field": Potential(3)}, "its field has 3 features"),
        ({"field": Potential(2, context=1)}, "a context of width 1, not 2 and 0"),
    ],
)
def test_errors_at_construction(options: dict[str, Any], message: str) -> None:
    kind = ShapeError if "field" in options else ValueError
    with pytest.raises(kind, match=message):
        Continuous(2, **options)
