"""Langevin and Metropolis layers beside closed forms, and the weights of their paths."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.distributions import Normal

import diffeo
from diffeo.bases import StandardNormal
from diffeo.errors import ModelFileError, ShapeError, TargetError
from diffeo.inference import log_evidence
from diffeo.surjections import AbsoluteValue, Langevin, Metropolis, RandomSign
from diffeo.transforms import Coupling, Elementwise
from diffeo.univariates import Affine

LOG_Z = 1.3


def two_modes(x: Tensor) -> Tensor:
    """Two normals at +-2 in every column, with a normaliser of exp(LOG_Z)."""
    each = torch.logaddexp(Normal(-2.0, 0.5).log_prob(x), Normal(2.0, 0.5).log_prob(x))
    return LOG_Z + (each - math.log(2)).sum(-1)


def _between(share: float):
    """A density on the way from N(0, 4) to ``two_modes``."""
    return lambda x: share * two_modes(x) + (1 - share) * Normal(0.0, 2.0).log_prob(x).sum(-1)


@pytest.mark.parametrize(
    "layer",
    [
        lambda u: Langevin(2, u, steps=5, step_size=0.02),
        lambda u: Metropolis(2, u, steps=10, step_size=0.1),
        lambda u: Metropolis(2, u, steps=5, step_size=0.05, langevin=True),
    ],
    ids=["langevin", "metropolis", "mala"],
)
def test_log_z_is_found_within_its_error(layer) -> None:
    torch.manual_seed(0)
    start = Elementwise(2, Affine())
    with torch.no_grad():
        start.params[1] += math.log(2)
    flow = diffeo.SurjectiveFlow(
        StandardNormal(2), start, *(layer(_between(share)) for share in (0.25, 0.5, 0.75, 1.0))
    )
    x, log_path = flow.sample_paths(8000, seed=0)
    estimate, error = log_evidence(two_modes(x) - log_path)
    assert error < 0.05
    assert abs(estimate - LOG_Z) < 5 * error
    # without the steps the weights are worse
    x, log_q = flow.density.sample_and_log_prob(8000, seed=0)
    _, plain = log_evidence(two_modes(2 * x) - log_q + 2 * math.log(2))
    assert error < plain


@pytest.mark.parametrize("way", ["path", "inverse"])
def test_the_contribution_of_a_langevin_step_is_that_of_normal_kernels(way: str) -> None:
    e = 0.3
    layer = Langevin(2, lambda x: -x.square().sum(-1) / 2, steps=1, step_size=e).double()
    start = torch.randn(50, 2, dtype=torch.float64)
    end, contribution = getattr(layer, way)(start)
    z, x = (start, end) if way == "path" else (end, start)
    spread = math.sqrt(2 * e)
    expected = Normal((1 - e) * z, spread).log_prob(x) - Normal((1 - e) * x, spread).log_prob(z)
    torch.testing.assert_close(contribution, expected.sum(-1))


def test_the_bound_of_langevin_steps_reaches_the_density() -> None:
    e = 0.2
    layer = Langevin(1, lambda x: -x.square().sum(-1) / 2, steps=2, step_size=e)
    start = Elementwise(1, Affine())
    with torch.no_grad():
        start.params[0] += 1.0
    flow = diffeo.SurjectiveFlow(StandardNormal(1), start, layer).double()
    mean, variance = 1.0, 1.0
    for _ in range(2):
        mean, variance = (1 - e) * mean, (1 - e) ** 2 * variance + 2 * e
    x = torch.linspace(-2, 3, 7, dtype=torch.float64)
    expected = Normal(mean, math.sqrt(variance)).log_prob(x)
    found = flow.log_prob(x[:, None], num_samples=4000, seed=0)
    torch.testing.assert_close(found, expected, atol=0.1, rtol=0)
    one = torch.stack([flow.log_prob(x[:, None], seed=seed) for seed in range(200)]).mean(0)
    assert bool((one < expected).all())


@pytest.mark.parametrize("langevin", [False, True])
def test_metropolis_steps_leave_their_target_alone(langevin: bool) -> None:
    def log_u(x: Tensor) -> Tensor:
        return -x.square().sum(-1) / 2

    layer = Metropolis(2, log_u, steps=5, step_size=0.3, langevin=langevin)
    flow = diffeo.SurjectiveFlow(StandardNormal(2), layer).double()
    x, log_path = flow.sample_paths(20_000, seed=0)
    z = flow.density.sample(20_000, seed=0)
    assert 0.3 < float((x != z).any(-1).double().mean()) <= 1
    # started in the target, every path has the same weight
    weights = log_u(x) - log_path
    torch.testing.assert_close(weights, torch.full_like(weights, math.log(2 * math.pi)))
    torch.testing.assert_close(torch.cov(x.T), torch.eye(2).double(), atol=0.05, rtol=0)


def test_a_target_of_bounded_support() -> None:
    def log_u(x: Tensor) -> Tensor:
        return torch.where(((x > 0) & (x < 1)).all(-1), 0.0, -torch.inf)

    layer = Metropolis(1, log_u, steps=20, step_size=0.2)
    flow = diffeo.SurjectiveFlow(StandardNormal(1), layer)
    x, log_path = flow.sample_paths(20_000, seed=0)
    assert not log_path.isnan().any()
    estimate, error = log_evidence(log_u(x) - log_path)
    assert abs(estimate) < 5 * error < 0.1
    # where the target is 0 nothing arrives, but what started there may stay
    assert not flow.log_prob(torch.linspace(-1, 2, 30)[:, None], num_samples=50).isnan().any()


def test_gradients_of_paths_are_those_of_finite_differences() -> None:
    torch.manual_seed(0)
    flow = diffeo.SurjectiveFlow(
        StandardNormal(2),
        Coupling(2, Affine(), hidden=(4,)),
        Langevin(2, two_modes, steps=2, step_size=0.05),
        Elementwise(2, Affine()),
    ).double()

    def loss() -> Tensor:
        x, log_path = flow.rsample_paths(50, seed=0)
        return (log_path - two_modes(x)).mean()

    for parameter in flow.parameters():
        with torch.no_grad():
            parameter += 0.3 * torch.randn_like(parameter)
    parameters = list(flow.parameters())
    slopes = torch.autograd.grad(loss(), parameters)
    for parameter, slope in zip(parameters, slopes, strict=True):
        step = torch.randn_like(parameter)
        ends = []
        for sign in (1, -1):
            with torch.no_grad():
                parameter += sign * 1e-5 * step
                ends.append(float(loss()))
                parameter -= sign * 1e-5 * step
        expected = (ends[0] - ends[1]) / 2e-5
        assert float((slope * step).sum()) == pytest.approx(expected, rel=1e-5, abs=1e-7)


def test_paths_through_what_knows_its_pair() -> None:
    """A transform and an exact surjection: the path's log p is that of its end."""
    base = diffeo.NSF(2, supports=diffeo.positive(), layers=1, hidden=(8,), seed=0)
    flow = diffeo.SurjectiveFlow(base, RandomSign(2, hidden=(8,)), Coupling(2, Affine())).double()
    x, log_path = flow.sample_paths((5, 2), seed=0)
    assert x.shape == (5, 2, 2)
    torch.testing.assert_close(log_path, flow.log_prob(x))
    with pytest.raises(TypeError, match="AbsoluteValue: its inverse draws"):
        diffeo.SurjectiveFlow(StandardNormal(1), AbsoluteValue(1)).sample_paths(3)
    with pytest.raises(TypeError, match="cannot be reparameterised"):
        flow.rsample_paths(3)


def test_a_file_asks_for_the_target_again(tmp_path: Path) -> None:
    layer = Metropolis(1, two_modes, steps=2, step_size=0.1)
    flow = diffeo.SurjectiveFlow(StandardNormal(1), layer)
    flow.save(tmp_path / "m.safetensors")
    with pytest.raises(ModelFileError, match=r"'model\.layers\.0\.target'"):
        diffeo.load(tmp_path / "m.safetensors")
    again = diffeo.load(tmp_path / "m.safetensors", parts={"model.layers.0.target": two_modes})
    assert torch.equal(again.sample(5, seed=0), flow.sample(5, seed=0))


def test_errors() -> None:
    with pytest.raises(TargetError, match="must be a function or a density, got 3"):
        Langevin(2, 3, steps=1, step_size=0.1)  # type: ignore[arg-type]
    for step_size in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match="step_size must be above 0 and finite"):
            Metropolis(2, two_modes, steps=1, step_size=step_size)
    with pytest.raises(ValueError, match="Metropolis: steps must be a whole number >= 1"):
        Metropolis(2, two_modes, steps=0, step_size=0.1)
    with pytest.raises(ShapeError, match="expected events of shape"):
        Langevin(2, two_modes, steps=1, step_size=0.1)(torch.zeros(3))
    wrong = Langevin(2, lambda x: x, steps=1, step_size=0.1)
    with pytest.raises(TargetError, match=r"one number a row, \(5,\), but it gives \(5, 2\)"):
        wrong(torch.zeros(5, 2))
    flat = Langevin(2, lambda x: x[:, 0].detach(), steps=1, step_size=0.1)
    with pytest.raises(TargetError, match="carry no gradient"):
        flat(torch.zeros(5, 2))
