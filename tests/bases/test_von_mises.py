"""Angles: von Mises and uniform densities against torch's, and the exactness of the sampler."""

from __future__ import annotations

import math

import pytest
import torch

from diffeo import bases
from diffeo.errors import ShapeError


@pytest.mark.parametrize("concentration", [1e-3, 0.5, 3.0, 50.0])
def test_log_prob_is_that_of_torch(concentration):
    x = math.pi * (2 * torch.rand(200, 1, dtype=torch.float64) - 1)
    base = bases.VonMises(1, 0.7, concentration).double()
    # of the same numbers, which the base holds rounded to float32
    reference = torch.distributions.VonMises(base.loc, base.log_concentration.exp())
    # torch approximates the Bessel function to 7 digits
    torch.testing.assert_close(base.log_prob(x), reference.log_prob(x)[:, 0], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("concentration", [1e-6, 0.3, 2.0, 20.0, 1e4])
def test_samples_follow_the_density(concentration):
    """Kolmogorov's distance between samples and the integral of the density."""
    base = bases.VonMises(1, 2.5, concentration)
    count = 20_000
    x = base.sample(count, seed=0)[:, 0].double()
    assert bool(base.support.contains(x.float()[:, None]).all())
    # about the mean, where a narrow density needs its points
    spread = min(math.pi, 12 / math.sqrt(concentration))
    grid = torch.linspace(-spread, spread, 20_001, dtype=torch.float64)
    angles = torch.remainder(grid + 2.5 + math.pi, 2 * math.pi) - math.pi
    density = base.double().log_prob(angles[:, None]).detach().exp()
    integral = torch.cat([torch.zeros(1), torch.cumulative_trapezoid(density, grid)])
    assert float(integral[-1]) == pytest.approx(1, abs=1e-4)
    about = (torch.remainder(x - 2.5 + math.pi, 2 * math.pi) - math.pi).sort().values
    where = torch.searchsorted(grid, about).clamp(max=len(grid) - 1)
    expected = torch.arange(1, count + 1, dtype=torch.float64) / count
    # 1 in 10,000 sets of samples exceeds this
    assert float((integral[where] - expected).abs().max()) < 2.23 / math.sqrt(count)


def test_a_huge_concentration_in_float32_is_a_normal():
    x = bases.VonMises(1, 0.0, 1e8).sample(20_000, seed=0).double() * 1e4
    assert float(x.mean()) == pytest.approx(0, abs=0.03)
    assert float(x.std()) == pytest.approx(1, abs=0.03)
    assert float((x**4).mean()) == pytest.approx(3, abs=0.3)


def test_nan_parameters_give_nan_samples():
    base = bases.VonMises(1, learned=True)
    base.log_concentration.data.fill_(math.nan)
    assert bool(base.sample(3).isnan().all())


def test_endless_rejection_is_an_error(monkeypatch):
    base = bases.VonMises(1)
    never = torch.zeros(2, 1), torch.ones(2, 1, dtype=torch.bool)
    monkeypatch.setattr(base, "_proposal", lambda *_: never)
    with pytest.raises(RuntimeError, match="2 samples were rejected 200 times"):
        base.sample(2)


def test_the_ends_of_the_circle_are_one_point_and_beyond_is_nothing():
    base = bases.VonMises(1, 1.0, 2.0).double()
    ends = torch.tensor([[-math.pi], [math.pi], [3.2], [math.nan]], dtype=torch.float64)
    at_low, at_high, beyond, nan = base.log_prob(ends).tolist()
    assert at_low == pytest.approx(at_high, abs=1e-12)
    assert beyond == -math.inf
    assert math.isnan(nan)


def test_the_uniform_torus():
    base = bases.TorusUniform(2).double()
    x = torch.tensor([[3.0, -3.0], [3.0, -3.2], [math.nan, 0.0]], dtype=torch.float64)
    inside, beyond, nan = base.log_prob(x).tolist()
    assert inside == pytest.approx(-2 * math.log(2 * math.pi), rel=1e-15)
    assert beyond == -math.inf
    assert math.isnan(nan)
    samples = base.sample(10_000, seed=0)
    assert float(samples.mean()) == pytest.approx(0, abs=0.06)
    assert float(samples.abs().max()) == pytest.approx(math.pi, abs=0.01)


def test_a_product_is_the_sum_of_log_densities():
    first, second = bases.VonMises(1, 1.0, 2.0), bases.DiagonalNormal(2, scale=3.0)
    both = bases.Product(first, second)
    x = torch.randn(5, 3)
    torch.testing.assert_close(
        both.log_prob(x), first.log_prob(x[:, :1]) + second.log_prob(x[:, 1:])
    )
    assert repr(both.support) == "[circle(), real(), real()]"
    assert not both.has_rsample
    assert bases.Product(bases.TorusUniform(1), second).has_rsample


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda: bases.VonMises(1, concentration=0.0), ValueError, "TorusUniform has none"),
        (lambda: bases.VonMises(2, [1.0, 2.0, 3.0]), ShapeError, "loc must be one number or 2"),
        (lambda: bases.TorusUniform(0), ShapeError, "features must be"),
        (lambda: bases.Product(), ShapeError, "got events of shapes"),
        (lambda: bases.Product(bases.StandardNormal((2, 2))), ShapeError, r"\(2, 2\)"),
        (
            lambda: bases.Product(
                bases.DiagonalNormal(1, context=1), bases.DiagonalNormal(1, context=2)
            ),
            ShapeError,
            r"contexts of widths \[1, 2\]",
        ),
    ],
)
def test_errors_say_what_was_given(build, error, message):
    with pytest.raises(error, match=message):
        build()
