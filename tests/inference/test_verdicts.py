"""Verdicts in words."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch.distributions import Normal

from diffeo.inference.quality import judge


def weights(scale: float, n: int = 10_000) -> torch.Tensor:
    """log p - log q of draws from q, for p standard normal and q of another scale."""
    torch.manual_seed(0)
    q = Normal(0.0, scale)
    x = q.sample((n,)).double()
    return Normal(0.0, 1.0).log_prob(x) - q.log_prob(x)


def test_a_good_fit_is_called_good() -> None:
    quality, smoothed = judge(weights(1.05))
    assert quality.good
    assert "nearly exact" in quality.verdict
    assert abs(quality.log_evidence) < 0.01
    assert math.isclose(float(smoothed.log_weights.exp().sum()), 1.0, rel_tol=1e-9)


def test_a_wide_one_is_to_be_resampled() -> None:
    quality, _ = judge(weights(2.0))
    assert quality.good
    assert "resample()" in quality.verdict


def test_a_narrow_one_is_not_to_be_relied_upon() -> None:
    quality, _ = judge(weights(0.4))
    assert not quality.good
    assert quality.khat > 0.7
    assert "above 0.7" in quality.verdict
    for remedy in ("max_gradients", "mcmc()", "independence", "resample()"):
        assert remedy in quality.verdict
    assert any("ABOVE" in line for line in quality.lines())


def test_a_heavy_tail_of_tiny_weights_is_flagged_and_put_in_proportion() -> None:
    torch.manual_seed(0)
    tail = torch.distributions.Pareto(1.0, 1.0).sample((10_000,)).double()
    quality, _ = judge(torch.log1p(1e-6 * tail))
    assert quality.khat > 0.7
    assert not quality.good
    assert "no draw weighs more than" in quality.verdict


def test_draws_without_density_are_counted() -> None:
    log_weights = weights(1.05)
    log_weights[:100] = -torch.inf
    quality, _ = judge(log_weights)
    assert quality.empty == 0.01
    assert quality.elbo == -math.inf
    assert "zero or NaN at 1.0% of the draws" in quality.verdict


def test_a_standard_deviation_without_hold_is_named() -> None:
    quality = replace(judge(weights(1.05))[0], heavy={"K": 0.9})
    assert not quality.good
    assert quality.verdict.startswith("good")
    assert "tail of K (0.90)" in quality.verdict
