"""Absolute values and random signs beside closed forms."""

from __future__ import annotations

import math

import pytest
import torch

import diffeo
from diffeo.audit import perturbed
from diffeo.bases import DiagonalNormal, StandardNormal
from diffeo.errors import ContextError, ShapeError
from diffeo.surjections import AbsoluteValue, RandomSign


def _normal(x: torch.Tensor, loc: float = 0.0) -> torch.Tensor:
    return torch.distributions.Normal(loc, 1.0).log_prob(x)


def test_a_folded_symmetric_density_is_exact_at_every_draw() -> None:
    flow = diffeo.SurjectiveFlow(StandardNormal(2), AbsoluteValue(2)).double()
    x = torch.rand(50, 2, dtype=torch.float64) * 3
    expected = _normal(x).sum(-1) + 2 * math.log(2)
    for seed in (0, 1):
        torch.testing.assert_close(flow.log_prob(x, seed=seed), expected)
    assert flow.exactness == "bound"


def test_the_bound_of_a_folded_normal_reaches_its_density() -> None:
    flow = diffeo.SurjectiveFlow(DiagonalNormal(1, loc=1.5), AbsoluteValue(1)).double()
    x = torch.linspace(0.1, 4.0, 9, dtype=torch.float64)
    found = flow.log_prob(x[:, None], num_samples=20_000, seed=0)
    expected = torch.logaddexp(_normal(x, 1.5), _normal(-x, 1.5))
    torch.testing.assert_close(found, expected, atol=0.03, rtol=0)
    one = torch.stack([flow.log_prob(x[:, None], seed=s) for s in range(200)]).mean(0)
    assert bool((one < expected + 1e-9).all())
    assert flow.log_prob(torch.tensor([[-1.0]]).double()).item() == -math.inf


def test_symmetric_signs_halve_the_density_of_the_size() -> None:
    size = diffeo.NSF(2, supports=diffeo.positive(), layers=2, hidden=(8,), seed=0)
    flow = diffeo.SurjectiveFlow(size, RandomSign(2, symmetric=True))
    assert (flow.exactness, flow.has_rsample) == ("exact", True)
    x = torch.randn(20, 2)
    torch.testing.assert_close(flow.log_prob(x), size.log_prob(x.abs()) - 2 * math.log(2))


def test_probabilities_of_all_signs_add_up_and_are_those_of_samples() -> None:
    torch.manual_seed(0)
    layer = perturbed(RandomSign(2, hidden=(8,)))
    z = torch.tensor([[0.3, 2.0]])
    signs = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    probability = layer.inverse(signs * z)[1].detach().exp()
    assert float(probability.sum()) == pytest.approx(1, abs=1e-6)
    # the second sign depends on the first
    odds = probability.reshape(2, 2) / probability.reshape(2, 2).sum(1, keepdim=True)
    assert float((odds[0] - odds[1]).abs().max()) > 0.01
    drawn = layer(z.expand(20_000, 2), generator=torch.Generator().manual_seed(0))
    shares = torch.stack([(drawn == row * z).all(-1).float().mean() for row in signs])
    torch.testing.assert_close(shares, probability, atol=0.02, rtol=0)


def test_a_fit_learns_where_the_sign_is_known() -> None:
    """x = -e or e + 2 for an exponential e: below 2 it is negative."""
    generator = torch.Generator().manual_seed(0)
    size = torch.empty(2000, 1).exponential_(generator=generator) + 0.05
    up = torch.rand(2000, 1, generator=generator) < 0.5
    x = torch.where(up, size + 2, -size)
    base = diffeo.NSF(1, supports=diffeo.positive(), layers=1, hidden=(16,), seed=0)
    torch.manual_seed(0)
    flow = diffeo.SurjectiveFlow(base, RandomSign(1, hidden=(16,)))
    flow.fit(x, epochs=20, lr=1e-2, progress=False)
    near = torch.tensor([[1.0], [-1.0]])
    up_there, down_there = flow.log_prob(near).detach().exp()
    assert float(down_there) > 5 * float(up_there)


def test_zero_has_a_density() -> None:
    flow = diffeo.SurjectiveFlow(
        diffeo.NSF(1, supports=diffeo.positive(), layers=1, hidden=(8,)), RandomSign(1)
    )
    assert flow.log_prob(torch.zeros(1, 1)).isfinite().all()


def test_errors() -> None:
    with pytest.raises(ShapeError, match="takes positive"):
        diffeo.SurjectiveFlow(StandardNormal(1), RandomSign(1))
    with pytest.raises(ShapeError, match="whole number >= 1"):
        AbsoluteValue(0)
    with pytest.raises(ContextError):
        RandomSign(1, context=2)(torch.ones(3, 1))
