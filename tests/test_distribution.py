from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.distributions import Independent, Normal

import diffeo
from diffeo.errors import ContextError


def conditional():
    flow = diffeo.RealNVP(4, context=3, layers=2, hidden=(8,), seed=0)
    torch.manual_seed(0)
    with torch.no_grad():
        for p in flow.parameters():
            p.add_(0.1 * torch.randn_like(p))
    return flow


def test_shapes_and_values():
    flow, c = conditional(), torch.randn(5, 6, 3)
    d = flow.distribution(c)
    assert isinstance(d, torch.distributions.Distribution)
    assert (d.batch_shape, d.event_shape) == ((5, 6), (4,))
    x = d.sample((7, 2))
    assert x.shape == (7, 2, 5, 6, 4)
    assert d.sample().shape == (5, 6, 4)
    assert not x.requires_grad
    assert torch.equal(d.log_prob(x), flow.log_prob(x, c))
    assert d.log_prob(x).shape == (7, 2, 5, 6)


def test_without_context():
    d = diffeo.RealNVP(4, layers=1).distribution()
    assert (d.batch_shape, d.sample((3,)).shape) == ((), (3, 4))
    with pytest.raises(ContextError, match="got none"):
        conditional().distribution()


def test_rsample_carries_gradients():
    flow, c = conditional(), torch.randn(5, 3, requires_grad=True)
    d = flow.distribution(c)
    assert d.has_rsample
    d.rsample((2,)).sum().backward()
    assert c.grad is not None
    assert bool((c.grad != 0).any())
    mixture = diffeo.Mixture(diffeo.RealNVP(2)).distribution()
    assert not mixture.has_rsample
    with pytest.raises(TypeError, match="cannot be reparameterised"):
        mixture.rsample()


def test_support_checks_events():
    supports = [diffeo.positive(), diffeo.interval(0, 1)]
    support = diffeo.RealNVP(2, layers=1, supports=supports).distribution().support
    x = torch.tensor([[1.0, 0.5], [-1.0, 0.5], [1.0, 1.5], [math.nan, 0.5]])
    assert support.check(x).tolist() == [True, False, False, False]
    assert support.event_dim == 1
    assert diffeo.RealNVP(2, layers=1).distribution().support.check(x[:3]).all()


def test_independent_sums_a_batch_axis():
    flow, c = conditional(), torch.randn(5, 3)
    d = Independent(flow.distribution(c), 1)
    x = d.rsample((7,))
    assert (d.batch_shape, d.event_shape) == ((), (5, 4))
    torch.testing.assert_close(d.log_prob(x), flow.log_prob(x, c).sum(-1))


def test_a_monte_carlo_divergence():
    # the flow starts as its base: KL(N(0, 1) || N(1, 2)) in closed form
    p = diffeo.RealNVP(2, layers=2, hidden=(8,)).distribution()
    q = Independent(Normal(torch.ones(2), 2 * torch.ones(2)), 1)
    torch.manual_seed(0)
    x = p.sample((40_000,))
    estimate = (p.log_prob(x) - q.log_prob(x)).mean().item()
    assert estimate == pytest.approx(2 * (math.log(2) + 2 / 8 - 0.5), abs=0.02)


def test_arrays_as_context():
    d = conditional().distribution(np.zeros((5, 3)))
    assert d.sample((2,)).shape == (2, 5, 4)
