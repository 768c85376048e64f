"""Standard deviations that rest on a few draws are named."""

from __future__ import annotations

import torch
from torch.distributions import Cauchy, LogNormal, Normal, StudentT

from diffeo.inference.moments import heavy_tails


def test_only_tails_without_a_variance_are_named() -> None:
    torch.manual_seed(0)
    draws = {
        "normal": Normal(0.0, 1.0).sample((10_000,)),
        "positive": LogNormal(0.0, 0.5).sample((10_000,)),
        "few": StudentT(5.0).sample((10_000, 2)),
        "heavy": torch.stack(
            [Normal(0.0, 1.0).sample((10_000,)), Cauchy(0.0, 1.0).sample((10_000,))], dim=-1
        ),
        "constant": torch.ones(10_000),
    }
    found = heavy_tails(draws, torch.zeros(10_000, dtype=torch.float64), 0.7)
    assert list(found) == ["heavy[1]"]
    assert found["heavy[1]"] > 1.5  # the square of a Cauchy has a tail of shape 2


def test_weights_count() -> None:
    torch.manual_seed(0)
    x = 2 * torch.randn(20_000, dtype=torch.float64)
    # of a t distribution with 1.5 degrees of freedom, whose variance is infinite
    log_weights = StudentT(1.5).log_prob(x) - Normal(0.0, 2.0).log_prob(x)
    assert "x" in heavy_tails({"x": x}, log_weights, 0.7)
    assert not heavy_tails({"x": x}, torch.zeros_like(log_weights), 0.7)
