"""ResampledNormal beside quadrature."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import Normal

import diffeo
from diffeo.audit import perturbed
from diffeo.bases import ResampledNormal
from diffeo.errors import ShapeError


def _grid(features: int, points: int) -> tuple[Tensor, float]:
    line = torch.linspace(-8, 8, points, dtype=torch.float64)
    grid = torch.cartesian_prod(*[line] * features).reshape(-1, features)
    return grid, float(line[1] - line[0]) ** features


def _base(features: int, rounds: int) -> ResampledNormal:
    """One whose acceptance is far from constant."""
    torch.manual_seed(features)
    base = perturbed(ResampledNormal(features, hidden=(16, 16), rounds=rounds), seed=1)
    with torch.no_grad():
        base.acceptance.output.weight *= 8
    return base.double().eval()


def _mean_acceptance(base: ResampledNormal, grid: Tensor, cell: float) -> Tensor:
    weights = Normal(0.0, 1.0).log_prob(grid).sum(-1).exp() * cell
    return (weights * torch.sigmoid(base._logit(grid))).sum()


@pytest.mark.parametrize("features", [1, 2])
@pytest.mark.parametrize("rounds", [1, 2, 30])
def test_the_density_is_that_of_the_papers_and_integrates_to_one(
    features: int, rounds: int
) -> None:
    base = _base(features, rounds)
    grid, cell = _grid(features, 4001 if features == 1 else 161)
    with torch.no_grad():
        mean = _mean_acceptance(base, grid, cell)
        forced = (1 - mean) ** (rounds - 1)
        normal = Normal(0.0, 1.0).log_prob(grid).sum(-1)
        accepted = torch.sigmoid(base._logit(grid)) / mean
        expected = normal + ((1 - forced) * accepted + forced).log()
        found = base.log_prob(grid)
    assert 0.05 < float(mean) < 0.9
    torch.testing.assert_close(found, expected, atol=2e-3, rtol=0)
    assert float(found.exp().sum() * cell) == pytest.approx(1, abs=1e-3)
    assert (float((found - normal).abs().max()) > 0.1) == (rounds > 1)


@pytest.mark.parametrize("rounds", [1, 2, 30])
def test_samples_have_the_density(rounds: int) -> None:
    base = _base(1, rounds)
    drawn = base.sample(20_000, seed=0)[:, 0]
    grid, cell = _grid(1, 4001)
    with torch.no_grad():
        below = (base.log_prob(grid).exp() * cell).cumsum(0)
    places = torch.searchsorted(grid[:, 0], drawn.sort().values).clamp(max=len(grid) - 1)
    gap = (below[places] - torch.linspace(0, 1, len(drawn), dtype=torch.float64)).abs().max()
    # Kolmogorov's statistic at the 0.001 level
    assert float(gap) < 1.95 / math.sqrt(len(drawn))


def test_it_starts_as_the_normal_density() -> None:
    x = torch.randn(10, 3)
    expected = Normal(0.0, 1.0).log_prob(x).sum(-1)
    base = ResampledNormal(3)
    torch.testing.assert_close(base.log_prob(x), expected)
    torch.testing.assert_close(base.eval().log_prob(x), expected)
    assert "log_prob: estimate" in repr(base)


def test_evaluation_repeats_and_training_draws() -> None:
    base = _base(2, 10)
    x = torch.zeros(1, 2, dtype=torch.float64)
    assert base.log_prob(x) == base.log_prob(x)
    state = torch.get_rng_state()
    base.log_prob(x)
    assert torch.equal(state, torch.get_rng_state())
    base.train()
    assert base.log_prob(x) != base.log_prob(x)


def test_the_gradient_of_training_is_that_of_quadrature() -> None:
    base = _base(1, 5)
    x = torch.tensor([[0.3], [-1.2], [2.0]], dtype=torch.float64)
    grid, cell = _grid(1, 2001)
    mean = _mean_acceptance(base, grid, cell)
    forced = (1 - mean) ** 4
    exact = ((1 - forced) * torch.sigmoid(base._logit(x)) / mean + forced).log().sum()
    parameters = list(base.parameters())
    truth = torch.cat([g.flatten() for g in torch.autograd.grad(exact, parameters)])
    base.train()
    torch.manual_seed(0)
    draws = []
    for _ in range(100):
        gradient = torch.autograd.grad(base.log_prob(x).sum(), parameters)
        draws.append(torch.cat([g.flatten() for g in gradient]))
    found = torch.stack(draws)
    error = found.std(0) / math.sqrt(len(found))
    assert bool(((found.mean(0) - truth).abs() <= 5 * error + 1e-4 * truth.abs().max()).all())


def test_a_fit_cuts_a_normal_in_two() -> None:
    generator = torch.Generator().manual_seed(0)
    side = 2.0 * (torch.rand(2500, 1, generator=generator) < 0.5) - 1
    x = side * (1.2 + 0.2 * torch.randn(2500, 1, generator=generator))
    torch.manual_seed(0)
    base = ResampledNormal(1, hidden=(32,))
    flow = diffeo.Flow(base, diffeo.transforms.Elementwise(1, diffeo.univariates.Affine()))
    flow.fit(x[:2000], epochs=25, lr=2e-2, batch_size=500, standardize=False, progress=False)
    found = float(flow.log_prob(x[2000:]).detach().mean())
    truth = torch.logaddexp(Normal(1.2, 0.2).log_prob(x), Normal(-1.2, 0.2).log_prob(x))
    best = float(truth[2000:].mean()) - math.log(2)
    # a normal density is 0.85 nats below
    assert best - found < 0.2
    between = (flow.sample(4000, seed=0).abs() < 0.3).float().mean()
    assert float(between) < 0.03


def test_errors() -> None:
    with pytest.raises(ShapeError, match="whole number >= 1"):
        ResampledNormal(0)
    with pytest.raises(ValueError, match="rounds must be a whole number >= 1"):
        ResampledNormal(2, rounds=0)
