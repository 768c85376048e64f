"""Mixtures of logistics agree with numerical integrals of themselves."""

from __future__ import annotations

import math

import pytest
import torch

from diffeo.tabular.regression.logistics import Logistics

WEIGHT = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64)
LOCATION = torch.tensor([-3.0, 0.0, 4.0], dtype=torch.float64)
SCALE = torch.tensor([0.5, 0.1, 1.0], dtype=torch.float64)
MIXTURE = Logistics(WEIGHT.log(), LOCATION, SCALE.log())
GRID = torch.linspace(-40, 40, 400_001, dtype=torch.float64)


def _over_grid(mixture: Logistics) -> Logistics:
    return mixture.repeated(len(GRID))


def _cdf(y: torch.Tensor) -> torch.Tensor:
    return (WEIGHT * torch.sigmoid((y[..., None] - LOCATION) / SCALE)).sum(-1)


@pytest.mark.parametrize("step", [0.0, 1e-6, 0.1, 3.0])
def test_the_density_is_normalised_with_the_mean_it_states(step):
    density = _over_grid(MIXTURE).log_prob(GRID, step).exp()
    assert float(torch.trapezoid(density, GRID)) == pytest.approx(1, abs=1e-6)
    assert float(torch.trapezoid(density * GRID, GRID)) == pytest.approx(float(MIXTURE.mean()))


@pytest.mark.parametrize("step", [0.01, 0.5])
def test_a_lattice_has_the_probability_of_its_cells(step):
    points = -2 + step * torch.arange(int(5 / step), dtype=torch.float64)
    cells = _cdf(points + step / 2) - _cdf(points - step / 2)
    found = MIXTURE.repeated(len(points)).log_prob(points, step).exp() * step
    torch.testing.assert_close(found, cells, rtol=1e-9, atol=1e-15)


def test_a_heap_gains_at_most_one_over_the_step():
    spike = Logistics(torch.zeros(1), torch.zeros(1), torch.tensor([-20.0]))
    assert float(spike.log_prob(torch.tensor(0.0), 0.01)) == pytest.approx(math.log(100))
    assert float(spike.log_prob(torch.tensor(0.0))) > 18


def test_far_points_have_finite_log_densities_and_gradients():
    y = torch.tensor([-1e4, 1e4, 1e6], dtype=torch.float32, requires_grad=True)
    mixture = Logistics(*(t.float() for t in (WEIGHT.log(), LOCATION, SCALE.log()))).repeated(3)
    log_prob = mixture.log_prob(y, 0.1)
    log_prob.sum().backward()
    assert log_prob.isfinite().all()
    assert y.grad is not None
    assert y.grad.isfinite().all()


def test_quantiles_invert_the_distribution_function():
    p = torch.tensor([1e-9, 0.01, 0.2, 0.5, 0.7, 0.99, 1 - 1e-9], dtype=torch.float64)
    y = MIXTURE.repeated(len(p)).quantile(p)
    torch.testing.assert_close(_cdf(y), p, rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize("step", [0.3, 1.0, 6.0])
def test_the_rounded_mean_is_that_of_the_lattice(step):
    points = 0.1 + step * torch.arange(-300, 301, dtype=torch.float64)
    mass = _cdf(points + step / 2) - _cdf(points - step / 2)
    mean = MIXTURE.rounded_mean(0.1, step)
    assert float(mean) == pytest.approx(float((mass * points).sum()), abs=1e-6 * step)


def test_samples_follow_the_distribution_function():
    y = MIXTURE.sample(200_000, torch.Generator().manual_seed(0))
    empirical = (y.sort().values[:, None] <= torch.tensor([-3.0, 0.0, 2.0, 4.0])).double().mean(0)
    truth = _cdf(torch.tensor([-3.0, 0.0, 2.0, 4.0], dtype=torch.float64))
    # 4 standard errors
    torch.testing.assert_close(empirical, truth, rtol=0, atol=0.0045)


def test_merged_members_average_their_densities():
    members = Logistics(
        torch.stack([WEIGHT, WEIGHT.flip(0)]).log(),
        torch.stack([LOCATION, LOCATION + 1]),
        torch.stack([SCALE, SCALE]).log(),
    )
    y = torch.tensor(0.3, dtype=torch.float64)
    average = members.log_prob(y.expand(2)).exp().mean()
    assert float(
        members.merged(torch.tensor([0.5, 0.5]).log().double()).log_prob(y).exp()
    ) == pytest.approx(float(average))
