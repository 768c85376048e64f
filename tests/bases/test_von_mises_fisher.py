"""Bases on spheres: normalisers, samples, and mixtures found by EM."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

from diffeo import bases
from diffeo.errors import DataError, ShapeError

F64 = torch.float64


def test_the_uniform_density_is_one_over_the_area():
    for dim, area in ((2, 2 * math.pi), (3, 4 * math.pi), (4, 2 * math.pi**2)):
        x = F.normalize(torch.randn(dim), dim=-1)
        assert float(bases.SphereUniform(dim).log_prob(x)) == pytest.approx(-math.log(area))


@pytest.mark.parametrize("k", [1e-3, 0.5, 30.0, 1e3, 1e6])
@pytest.mark.parametrize("dim", [2, 3, 4])
def test_the_normaliser_is_that_of_bessel_functions(dim, k):
    strength = torch.tensor(k, dtype=F64)
    scaled = {
        2: 2 * math.pi * torch.special.i0e(strength),
        3: 2 * math.pi * -torch.expm1(-2 * strength) / strength,
        4: 4 * math.pi**2 * torch.special.i1e(strength) / strength,
    }
    base = bases.VonMisesFisher(torch.eye(dim)[0], k).double()
    base.log_concentration.fill_(math.log(k))
    found = float(base.log_prob(torch.eye(dim, dtype=F64)[0]))
    assert found == pytest.approx(-float(scaled[dim].log()), abs=1e-12)


@pytest.mark.parametrize(("dim", "k"), [(2, 3.0), (3, 0.1), (3, 2e5), (6, 20.0)])
def test_samples_have_the_mean_and_the_spread_of_the_density(dim, k):
    loc = F.normalize(torch.arange(1.0, dim + 1), dim=-1).double()
    base = bases.VonMisesFisher(loc, k).double()
    x = base.sample(20_000, seed=0)
    fall = 1 - x @ loc
    expected = bases.von_mises_fisher.fall_of_cosine(torch.tensor(k, dtype=F64), dim)
    assert float(fall.mean() / expected) == pytest.approx(1, abs=0.03)
    side = x - (x @ loc)[:, None] * loc
    assert float(side.mean(0).norm() / side.norm(dim=1).mean()) < 0.03


def test_em_finds_the_mixture_that_rows_came_from():
    truth = bases.VonMisesFisherMixture(torch.eye(3), [20.0, 100.0, 500.0], [0.5, 0.3, 0.2])
    x = truth.sample(3000, seed=0)
    found = bases.fit_von_mises_fisher(x, 3, seed=1)
    order = (found.loc @ torch.eye(3)).argmax(1).argsort()
    expected = torch.tensor([20.0, 100.0, 500.0])
    torch.testing.assert_close(found.log_concentration.exp()[order], expected, rtol=0.1, atol=0)
    torch.testing.assert_close(found.loc[order], torch.eye(3), rtol=0, atol=0.02)
    assert float(found.log_prob(x).mean()) >= float(truth.log_prob(x).mean())


def test_em_on_rows_that_repeat_stops_at_the_largest_concentration():
    x = torch.eye(3).repeat(20, 1)
    found = bases.fit_von_mises_fisher(x, 3, most=1e3)
    torch.testing.assert_close(found.log_concentration.exp(), torch.full((3,), 1e3))
    assert bool(found.log_prob(x).isfinite().all())


def test_em_refuses_what_is_no_unit_vector_and_too_few_rows():
    x = torch.eye(3)
    x[1] *= 2
    with pytest.raises(DataError, match=r"row 1 is no unit vector: \[0.0, 2.0, 0.0\]"):
        bases.fit_von_mises_fisher(x, 1)
    with pytest.raises(DataError, match="4 components need at least as many rows, got 3"):
        bases.fit_von_mises_fisher(torch.eye(3), 4)
    with pytest.raises(ValueError, match="components must be a whole number >= 1, got 0"):
        bases.fit_von_mises_fisher(torch.eye(3), 0)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (([1.0, 0.0], [1.0]), ShapeError, r"loc must have shape \(K, n\), got \(2,\)"),
        (([[1.0, 0.0]], [1.0, 2.0]), ShapeError, "1 directions need as many concentrations"),
        (([[0.0, 0.0]], [1.0]), ValueError, "every length must be positive"),
        (([[1.0, 0.0]], [0.0]), ValueError, "every concentration must be positive"),
        (([[1.0, 0.0]], [1.0], [math.inf]), ValueError, "every weight must be positive"),
    ],
)
def test_errors_say_what_was_given(arguments, error, message):
    with pytest.raises(error, match=message):
        bases.VonMisesFisherMixture(*arguments)
