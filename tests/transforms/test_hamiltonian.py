"""Leapfrog layers: a hand-written leapfrog, volume, reversibility, energy, tempering, no_grad."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from registry.multivariate import OwnDensity, two_modes
from torch import Tensor

import diffeo
from diffeo.audit import perturbed
from diffeo.audit.calculus import autograd_ladj
from diffeo.bases import DiagonalNormal, StandardNormal
from diffeo.errors import ModelFileError, ShapeError
from diffeo.transforms import Leapfrog

STIFFNESS = torch.tensor([[2.0, 0.5], [0.5, 1.0]], dtype=torch.float64)


def quadratic(q: Tensor, context: Tensor | None) -> Tensor:
    return -0.5 * ((q @ STIFFNESS) * q).sum(-1)


def _energy(layer: Leapfrog, x: Tensor) -> Tensor:
    q, p = x.split(2, dim=-1)
    kinetic = (p * layer.dynamics(x).velocity(p)).sum(-1) / 2
    return kinetic - layer.log_density(q, None)


@pytest.mark.parametrize("mass", ["diagonal", "full"])
def test_it_agrees_with_a_leapfrog_by_hand(mass: str) -> None:
    """Numpy, from the raw parameters, with a mass matrix and its inverse written out."""
    layer = perturbed(Leapfrog(2, quadratic, steps=5, mass=mass)).double()
    raw = layer.params.detach().numpy()
    step = 0.1 * math.exp(math.log(10) * math.tanh(raw[0] / math.log(10)))
    wide = math.log(1000)
    factor = np.diag(np.exp(wide * np.tanh(raw[1:3] / wide) / 2))
    if mass == "full":
        factor[1, 0] = raw[5]
    mass_matrix = np.linalg.inv(factor @ factor.T)
    x = torch.randn(4, dtype=torch.float64)
    q, p = x[:2].numpy(), x[2:].numpy()
    for _ in range(5):
        p = p - step / 2 * STIFFNESS.numpy() @ q
        q = q + step * np.linalg.solve(mass_matrix, p)
        p = p - step / 2 * STIFFNESS.numpy() @ q
    y, ladj = layer(x)
    assert np.allclose(y.detach(), np.concatenate([q, p]), atol=1e-13)
    assert float(ladj.detach()) == 0


def test_volume_is_preserved_and_the_way_back_is_exact() -> None:
    layer = perturbed(Leapfrog(3, two_modes, steps=10)).double()
    x = torch.randn(20, 6, dtype=torch.float64)
    assert float(autograd_ladj(lambda x: layer(x)[0], x).abs().max()) < 1e-12
    back, _ = layer.inverse(layer(x)[0])
    assert float((back - x).detach().abs().max()) < 1e-12


def test_time_runs_backwards_with_the_momentum_turned() -> None:
    layer = Leapfrog(2, two_modes, steps=7).double().requires_grad_(False)
    x = torch.randn(20, 4, dtype=torch.float64)
    turn = torch.tensor([1.0, 1.0, -1.0, -1.0], dtype=torch.float64)
    y, _ = layer(x)
    again, _ = layer(y * turn)
    assert float((again * turn - x).abs().max()) < 1e-12


def test_energy_is_conserved_to_second_order_in_the_step() -> None:
    x = torch.randn(50, 4, dtype=torch.float64)
    errors = []
    for steps in (20, 40, 80):
        layer = Leapfrog(2, quadratic, steps=steps, step_size=2 / steps).double()
        layer.requires_grad_(False)
        errors.append(float((_energy(layer, layer(x)[0]) - _energy(layer, x)).abs().mean()))
    orders = [math.log2(a / b) for a, b in itertools.pairwise(errors)]
    assert orders == pytest.approx([2, 2], abs=0.05)
    assert errors[-1] < 1e-3


@pytest.mark.parametrize("steps", [1, 4])
def test_tempering_follows_the_quadratic_schedule(steps: int) -> None:
    """A flat density leaves the momenta to the factors alone, whose product is sqrt(beta_0)."""
    layer = Leapfrog(2, lambda q, c: 0 * q.sum(-1), steps=steps, tempering=True).double()
    x = torch.randn(4, dtype=torch.float64)
    y, ladj = (t.detach() for t in layer(x))
    log_beta = -math.log(1000) / (1 + math.exp(2.2))
    assert torch.allclose(y[2:], x[2:] * math.exp(log_beta / 2))
    # D / 2 log beta_0 with D = 2
    assert float(ladj) == pytest.approx(log_beta, rel=1e-6)
    # positions move by e times the momenta before each scaling
    scale = [1 / math.sqrt(math.exp(log_beta)) * (1 - (k / steps) ** 2) + (k / steps) ** 2
             for k in range(steps + 1)]  # fmt: skip
    moved = 0.1 * sum(scale[k] / scale[0] for k in range(steps))
    assert torch.allclose(y[:2], x[:2] + moved * x[2:])


def test_tempering_cools_from_a_hot_start_for_any_raw_number() -> None:
    for raw in (-1e9, 0.0, 1e9):
        layer = Leapfrog(1, two_modes, tempering=True)
        layer.params.data[-1] = raw
        log_beta = float(layer.dynamics(torch.zeros(2)).log_beta.detach())
        assert -math.log(1e3) - 1e-6 <= log_beta <= 0


def test_a_flow_of_it_works_with_and_without_grad_and_in_a_file(tmp_path: Path) -> None:
    def make() -> diffeo.Flow:
        density = OwnDensity(2, 1)
        layer = Leapfrog(2, density, mass="full", tempering=True, context=1, hidden=(8,))
        return diffeo.Flow(StandardNormal(4), layer)

    flow = make()
    context = torch.randn(5, 1)
    x, log_q = flow.rsample_and_log_prob((), context, seed=0)
    assert torch.allclose(flow.log_prob(x, context), log_q, atol=1e-5)
    with torch.no_grad():
        assert torch.equal(flow.rsample_and_log_prob((), context, seed=0)[0], x)
        assert torch.equal(flow.log_prob(x, context), flow.log_prob(x, context))
    with torch.inference_mode():
        assert torch.allclose(flow.sample((), context, seed=0), x)
    log_q.sum().backward()
    inner = flow.transform.log_density.inner.weight.grad
    assert inner is None or bool(inner.isfinite().all())
    flow.save(tmp_path / "m.safetensors")
    with pytest.raises(
        ModelFileError, match=r"a part of your own at 'model.transform.log_density'"
    ):
        diffeo.load(tmp_path / "m.safetensors")
    again = diffeo.load(
        tmp_path / "m.safetensors", parts={"model.transform.log_density": OwnDensity(2, 1)}
    )
    assert torch.equal(again.log_prob(x, context), flow.log_prob(x, context))


def test_the_densitys_own_parameters_learn() -> None:
    density = OwnDensity(2, 0)
    layer = Leapfrog(2, density)
    layer(torch.randn(5, 4))[0].square().sum().backward()
    assert float(density.outer.weight.grad.abs().max()) > 0


def test_variational_inference_learns_a_correlation() -> None:
    """E_q[log q - log p] on (position, momentum); a diagonal base alone is 0.83 nats off."""
    precision = torch.linalg.inv(torch.tensor([[1.0, 0.9], [0.9, 1.0]]))

    def log_density(q: Tensor, context: Tensor | None) -> Tensor:
        return -0.5 * ((q @ precision) * q).sum(-1)

    normaliser = 2 * math.log(2 * math.pi) - 0.5 * float(precision.logdet())
    layer = Leapfrog(2, log_density, steps=5, step_size=0.2, mass="full")
    flow = diffeo.Flow(DiagonalNormal(4, learned=True), layer)
    optimizer = torch.optim.Adam(flow.parameters(), lr=0.02)
    for _ in range(300):
        x, log_q = flow.rsample_and_log_prob(512)
        q, p = x.split(2, dim=-1)
        loss = (log_q - log_density(q, None) + 0.5 * p.square().sum(-1)).mean() + normaliser
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 0.5


def test_errors() -> None:
    with pytest.raises(ShapeError, match="steps must be at least 1, got 0"):
        Leapfrog(2, two_modes, steps=0)
    with pytest.raises(ValueError, match=r"step_size must be positive, got -0.1"):
        Leapfrog(2, two_modes, step_size=-0.1)
    with pytest.raises(ValueError, match=r"mass must be one of .* got 'dense'"):
        Leapfrog(2, two_modes, mass="dense")
    layer = Leapfrog(2, lambda q, c: -q.square())
    with pytest.raises(ShapeError, match=r"log_density must map positions .* one number a row"):
        layer(torch.zeros(5, 4))
