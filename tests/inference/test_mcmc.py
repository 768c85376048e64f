from __future__ import annotations

import math

import pytest
import torch

from diffeo.errors import DataError, ShapeError, TargetError
from diffeo.inference.convergence import ess_bulk
from diffeo.inference.mcmc import Chains, hmc, independence_metropolis
from diffeo.inference.mcmc.adaptation import DualAveraging, Length, Moments
from diffeo.inference.mcmc.leapfrog import State, kinetic, trajectory, with_gradient


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(rows, dim, seed=0):
    return torch.randn(rows, dim, dtype=torch.float64, generator=generator(seed))


def standard(x):
    return -x.square().sum(-1) / 2


def rotated(dim, condition):
    """A normal of that condition number in no axis's direction, and its covariance."""
    variances = torch.logspace(0, math.log10(condition), dim, dtype=torch.float64)
    axes = torch.linalg.qr(normal(dim, dim, seed=9))[0]
    return lambda x: -((x @ axes) ** 2 / variances).sum(-1) / 2, (axes * variances) @ axes.T


def banana(x):
    return -(x[:, 0] ** 2) / 2 - (x[:, 1] - x[:, 0] ** 2) ** 2 / 2


def assert_moments(chains: Chains, mean, variance) -> None:
    """Means and second moments within five of their standard errors."""
    for draws, expected in [(chains.draws, mean), ((chains.draws - mean) ** 2, variance)]:
        error = draws.flatten(0, 1).std(0) / ess_bulk(draws).sqrt()
        score = (draws.mean((0, 1)) - expected) / error
        assert bool((score.abs() < 5).all()), score
        # an error that was too large would let anything pass
        assert bool((error < 0.1 * variance.sqrt().clamp(min=1) * (1 + variance)).all())


# -- trajectories ----------------------------------------------------------------------------------


def test_trajectories_are_reversible_and_conserve_energy():
    def gradient(x):
        return with_gradient(banana, x)

    scale = torch.tensor([0.7, 1.3], dtype=torch.float64)
    start, momentum = gradient(normal(20, 2)), normal(20, 2, seed=1)
    there = trajectory(gradient, start, momentum, 0.02, 50, scale)
    back = trajectory(gradient, there.state, -there.momentum, 0.02, 50, scale)
    assert float((there.state.position - start.position).abs().mean()) > 0.5
    torch.testing.assert_close(back.state.position, start.position, rtol=0, atol=1e-10)
    torch.testing.assert_close(-back.momentum, momentum, rtol=0, atol=1e-10)
    energy = kinetic(momentum) - start.log_prob
    errors = []
    for step, steps in [(0.02, 50), (0.01, 100)]:
        end = trajectory(gradient, start, momentum, step, steps, scale)
        errors.append((kinetic(end.momentum) - end.state.log_prob - energy).abs().max())
    # second order: half the step, a quarter of the error
    assert float(errors[0] / errors[1]) == pytest.approx(4, rel=0.05)


def test_trajectories_preserve_volume():
    scale = torch.tensor([0.7, 1.3], dtype=torch.float64)

    def flow(both):
        q, p = both.split(2)
        # finite differences, as gradients of gradients are not kept
        state = with_gradient(banana, q.unsqueeze(0))
        end = trajectory(lambda x: with_gradient(banana, x), state, p.unsqueeze(0), 0.1, 5, scale)
        return torch.cat([end.state.position[0], end.momentum[0]])

    at, eps = normal(1, 4)[0], 1e-5
    columns = [(flow(at + eps * e) - flow(at - eps * e)) / (2 * eps) for e in torch.eye(4).double()]
    assert float(torch.linalg.det(torch.stack(columns))) == pytest.approx(1, abs=1e-8)


def test_a_trajectory_that_breaks_off_stays_at_its_last_good_state():
    asked = []

    def gradient(x):
        asked.append(x.clone())
        value = torch.where(x[:, 0] < 1, -x.square().sum(-1) / 2, torch.nan)
        return State(x, value, -x)

    start = gradient(torch.tensor([[0.0], [0.0]]))
    end = trajectory(gradient, start, torch.tensor([[0.1], [3.0]]), 0.1, 20, torch.ones(1))
    assert end.broken.tolist() == [False, True]
    assert 0 < float(end.state.position[1]) < 1
    assert bool(torch.isfinite(end.state.log_prob).all())
    assert all(bool(x.isfinite().all()) for x in asked)


# -- adaptation ------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", [0.5, 0.8])
def test_dual_averaging_finds_the_step_of_an_acceptance(target):
    averaging = DualAveraging(10.0, target)
    noise = normal(400, 1).squeeze(1)
    for t in range(400):
        averaging.update(min(1.0, max(0.0, math.exp(-averaging.step) + 0.05 * float(noise[t]))))
    assert math.exp(-averaging.average) == pytest.approx(target, abs=0.03)


@pytest.mark.parametrize("acceptance", [0.0, 1.0])
def test_steps_stay_in_range_where_nothing_or_everything_is_accepted(acceptance):
    averaging = DualAveraging(1.0, 0.7)
    for _ in range(20_000):
        averaging.update(acceptance)
    assert 0 < averaging.step < math.inf
    assert 0 < averaging.average < math.inf


def test_moments_forget_where_the_chains_came_from():
    scale = torch.tensor([1e-3, 1.0, 1e3], dtype=torch.float64)
    moments = Moments(torch.full((8, 3), 1e4, dtype=torch.float64))
    for t in range(400):
        x = 5 + scale * normal(8, 3, seed=t)
        moments.update(x + 100 * scale if t < 20 else x)
    torch.testing.assert_close(moments.scale(), scale, rtol=0.1, atol=0)
    torch.testing.assert_close(moments.mean / scale, 5 / scale, rtol=0.1, atol=0.1)


def test_length_goes_to_a_quarter_of_the_period():
    """Along a circle |x'|^2 - |x|^2 varies as sin(T)^2; with the penalty tan(T) = 8 T."""
    length = Length(0.3)
    for t in range(600):
        x, p = normal(64, 20, seed=2 * t), normal(64, 20, seed=2 * t + 1)
        time = length.length
        end = x * math.cos(time) + p * math.sin(time)
        velocity = p * math.cos(time) - x * math.sin(time)
        length.update(x, end, velocity, torch.ones(64).double(), time)
    assert length.average == pytest.approx(1.486, abs=0.1)


# -- Hamiltonian Monte Carlo -----------------------------------------------------------------------


@pytest.mark.parametrize("dim", [1, 2, 30])
def test_a_standard_normal_is_cheap(dim):
    """As in the latent space of a flow: 64 chains, few gradients a draw."""
    chains = hmc(standard, normal(64, dim), warmup=200, draws=300, seed=0)
    assert_moments(chains, torch.zeros(dim), torch.ones(dim).double())
    assert float(chains.rhat.max()) < 1.01
    assert float(chains.ess_bulk.min()) > 0.4 * 64 * 300
    assert float(chains.ess_tail.min()) > 0.4 * 64 * 300
    assert chains.gradients < 5 * 64 * 500
    assert int(chains.divergences.sum()) == 0


@pytest.mark.parametrize("chains", [4, 64])
def test_a_normal_of_condition_one_hundred(chains):
    log_prob, covariance = rotated(10, 1e2)
    start = 10 * normal(chains, 10)
    result = hmc(log_prob, start, warmup=400, draws=400, seed=1)
    assert_moments(result, torch.zeros(10).double(), covariance.diag())
    assert float(result.rhat.max()) < 1.03
    assert float(result.ess_bulk.min()) > 0.1 * chains * 400


def test_scales_from_a_thousandth_to_a_thousand():
    scale = torch.logspace(-3, 3, 7, dtype=torch.float64)
    result = hmc(lambda x: standard(x / scale), normal(32, 7), warmup=400, draws=200, seed=0)
    torch.testing.assert_close(result.scale / scale, torch.ones(7).double(), rtol=0.2, atol=0)
    assert_moments(result, torch.zeros(7), scale**2)


def test_a_banana():
    result = hmc(banana, normal(64, 2), warmup=300, draws=300, seed=0)
    assert float(result.rhat.max()) < 1.02
    # x2 = x1^2 + e: mean 1, variance 2 + 1
    assert_moments(result, torch.tensor([0.0, 1.0]), torch.tensor([1.0, 3.0]).double())


def test_starts_far_away():
    start = 100 + 100 * normal(16, 5)
    result = hmc(lambda x: -(x**4).sum(-1), start, warmup=300, draws=300, seed=0)
    assert float(result.rhat.max()) < 1.02
    variance = math.gamma(3 / 4) / math.gamma(1 / 4)
    assert_moments(result, torch.zeros(5), torch.full((5,), variance).double())


@pytest.mark.parametrize(
    "outside", [lambda x: torch.where(x > 0, 0.0, -torch.inf), lambda x: 0 * torch.sqrt(x)]
)
def test_a_half_space_is_not_left(outside):
    """-inf, or NaN with a NaN gradient, for x1 < 0."""

    def log_prob(x):
        return standard(x) + outside(x[:, 0])

    result = hmc(log_prob, normal(32, 3).abs(), warmup=300, draws=400, seed=0)
    assert bool(result.draws.isfinite().all())
    assert bool((result.draws[..., 0] > 0).all())
    assert bool(result.log_prob.isfinite().all())
    assert int(result.divergences.sum()) > 0
    # few steps: that chains leave is not the step size's fault
    assert result.gradients < 10 * 32 * 700
    assert result.step_size > 0.3
    error = result.flat().std(0) / result.ess_bulk.sqrt()
    expected = torch.tensor([math.sqrt(2 / math.pi), 0.0, 0.0])
    assert bool(((result.flat().mean(0) - expected).abs() < 5 * error).all())


def test_acceptance_follows_its_target():
    means = []
    for target in (0.4, 0.7, 0.9):
        result = hmc(
            standard, normal(32, 100), warmup=300, draws=100, target_acceptance=target, seed=0
        )
        means.append(float(result.acceptance.mean()))
        # the arithmetic mean is above the harmonic one
        assert target < means[-1] < target + 0.3 * (1 - target) + 0.1
    assert means == sorted(means)


def test_the_log_density_belongs_to_the_draw():
    result = hmc(banana, normal(5, 2), warmup=50, draws=30, seed=0)
    torch.testing.assert_close(result.log_prob.flatten(), banana(result.flat()))
    assert result.draws.shape == (5, 30, 2)
    assert result.divergences.shape == result.acceptance.shape == (5,)


def test_seeds_repeat():
    runs = [
        hmc(banana, normal(4, 2), warmup=30, draws=20, seed=seed).draws
        for seed in (3, generator(3), 4)
    ]
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])


def test_kept_draws_do_not_depend_on_how_many_are_kept():
    """Nothing is adapted while draws are kept."""
    few, many = (hmc(banana, normal(4, 2), warmup=40, draws=draws, seed=0) for draws in (10, 60))
    assert torch.equal(few.draws, many.draws[:, :10])
    assert few.step_size == many.step_size
    assert torch.equal(few.scale, many.scale)


def test_one_chain_and_float32():
    result = hmc(standard, torch.zeros(1, 3), warmup=200, draws=1000, seed=0)
    assert result.draws.dtype == torch.float32
    assert_moments(result, torch.zeros(3), torch.ones(3).double())


def test_modes_far_apart_show_in_rhat():
    def log_prob(x):
        return torch.logaddexp(standard(x - 10), standard(x + 10))

    start = normal(8, 1) + torch.tensor([10.0, -10.0]).repeat(4).unsqueeze(1)
    result = hmc(log_prob, start, warmup=100, draws=100, seed=0)
    assert float(result.rhat.max()) > 1.5
    assert "R-hat up to" in repr(result)


@pytest.mark.parametrize(
    "log_prob", [lambda x: 0 * x.sum(-1), lambda x: x.sum(-1), lambda x: x.square().sum(-1)]
)
def test_improper_targets_end_and_show(log_prob):
    result = hmc(log_prob, normal(8, 2), warmup=30, draws=30, seed=0)
    assert bool(result.draws.isfinite().all())
    assert bool(result.log_prob.isfinite().all())
    assert not bool((result.rhat < 1.01).all())


def test_bad_starts_and_numbers_are_refused():
    with pytest.raises(ShapeError, match=r"\(chains, dim\)"):
        hmc(standard, torch.zeros(3), seed=0)
    with pytest.raises(ShapeError, match="floating"):
        hmc(standard, torch.zeros(3, 2, dtype=torch.long), seed=0)
    with pytest.raises(DataError, match="chain 1 of 3 starts where"):
        hmc(lambda x: standard(x) + x[:, 0].log(), torch.tensor([[1.0], [-1.0], [1.0]]), seed=0)
    with pytest.raises(ValueError, match="warmup must be at least 20"):
        hmc(standard, torch.zeros(3, 2), warmup=5, seed=0)
    with pytest.raises(ValueError, match="between 0 and 1"):
        hmc(standard, torch.zeros(3, 2), target_acceptance=80, seed=0)
    with pytest.raises(TargetError, match=r"one number a row, \(3,\), but it gives \(3, 2\)"):
        hmc(lambda x: -(x**2), torch.zeros(3, 2), seed=0)
    with pytest.raises(TargetError, match="without a gradient"):
        hmc(lambda x: torch.zeros(len(x)), torch.zeros(3, 2), seed=0)


# -- independence Metropolis -----------------------------------------------------------------------


def proposals(scale, dim=2, seed=0, log_p=standard):
    random = generator(seed)

    def propose(n):
        x = scale * torch.randn(n, dim, dtype=torch.float64, generator=random)
        return x, log_p(x), standard(x / scale)

    return propose


def test_independence_metropolis_samples_the_target():
    result = independence_metropolis(proposals(1.4), chains=32, draws=500, seed=0)
    assert result.draws.shape == (32, 500, 2)
    assert_moments(result, torch.zeros(2), torch.ones(2).double())
    assert float(result.rhat.max()) < 1.01
    torch.testing.assert_close(result.log_prob, standard(result.draws))
    # acceptance is the share of moves, up to chance
    moved = (result.draws.diff(dim=1) != 0).any(-1).double().mean()
    assert float(result.acceptance.mean()) == pytest.approx(float(moved), abs=0.02)
    assert result.step_size is None
    assert result.gradients == 0


def test_a_perfect_proposal_is_always_accepted():
    result = independence_metropolis(proposals(1.0), chains=4, warmup=0, draws=100, seed=0)
    assert bool((result.acceptance == 1).all())
    assert float(result.ess_bulk.min()) > 200


def test_a_narrow_proposal_shows():
    result = independence_metropolis(proposals(0.4, dim=5), chains=32, draws=300, seed=0)
    assert float(result.rhat.max()) > 1.05
    assert float(result.acceptance.mean()) < 0.3


def test_proposals_without_density_are_refused_not_kept():
    def log_p(x):
        outside = torch.where(x[:, 0] < -1, torch.nan, -torch.inf)
        return torch.where(x[:, 0] > 0, standard(x), outside)

    result = independence_metropolis(proposals(1.2, log_p=log_p), chains=16, draws=500, seed=0)
    assert bool((result.draws[..., 0] > 0).all())
    assert bool(result.log_prob.isfinite().all())
    assert int(result.divergences.sum()) > 0
    assert float(result.flat()[:, 0].mean()) == pytest.approx(math.sqrt(2 / math.pi), abs=0.05)


def test_independence_seeds_repeat():
    runs = [
        independence_metropolis(proposals(1.4), chains=4, draws=50, seed=seed).draws
        for seed in (3, generator(3), 4)
    ]
    assert torch.equal(runs[0], runs[1])
    assert not torch.equal(runs[0], runs[2])


def test_bad_proposals_are_refused():
    def everything(n):
        return torch.zeros(n, 1), torch.zeros(n), torch.full((n,), -torch.inf)

    with pytest.raises(DataError, match=r"\+inf, where a chain would stay"):
        independence_metropolis(everything, seed=0)
    nothing = proposals(1.0, log_p=lambda x: torch.full((len(x),), -torch.inf))
    with pytest.raises(DataError, match="the proposal misses it"):
        independence_metropolis(nothing, seed=0)
    with pytest.raises(ShapeError, match=r"must return points"):
        independence_metropolis(lambda n: (torch.zeros(n), torch.zeros(n), torch.zeros(n)), seed=0)
    with pytest.raises(ValueError, match="at least 1"):
        independence_metropolis(proposals(1.0), chains=0)
