"""GaussianMixture with weights, means and scales predicted from context."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch import distributions as td

import diffeo
from diffeo.audit import perturbed
from diffeo.bases import GaussianMixture
from diffeo.errors import ContextError
from diffeo.transforms import Reverse


def _conditional(features: int = 2, seed: int = 0) -> GaussianMixture:
    return perturbed(GaussianMixture(features, 3, context=4, hidden=(16,), seed=seed), seed=seed)


def test_it_starts_as_the_mixture_without_context() -> None:
    plain = GaussianMixture(2, 3, seed=1)
    base = GaussianMixture(2, 3, context=4, hidden=(16,), seed=1)
    x, c = torch.randn(5, 2), torch.randn(5, 4)
    torch.testing.assert_close(base.log_prob(x, c), plain.log_prob(x))
    assert set(plain.state_dict()) == {"logits", "loc", "log_scale"}


def _reference(base: GaussianMixture, c: Tensor) -> td.Distribution:
    """The mixture at one context, from the network's outputs by the documented formula."""
    count, features = base.loc.shape
    out = base.conditioner(c[..., :0], c).detach()
    weights = base.logits + out[:count]
    means, raw = out[count:].reshape(2, count, features)
    bound = torch.tensor(1e3).log()
    scale = base.log_scale.exp() * torch.exp(bound * torch.tanh(raw / bound))
    parts = td.Normal(base.loc + base.log_scale.exp() * means, scale)
    return td.MixtureSameFamily(td.Categorical(logits=weights), td.Independent(parts, 1))


def test_log_prob_and_samples_at_each_context() -> None:
    base, c = _conditional(), torch.randn(3, 4)
    x = base.sample(40_000, c, seed=0)
    assert x.shape == (40_000, 3, 2)
    log_prob = base.log_prob(x[:200], c).detach()
    quarters = torch.tensor([0.25, 0.5, 0.75])
    for i in range(3):
        reference = _reference(base, c[i])
        torch.testing.assert_close(log_prob[:, i], reference.log_prob(x[:200, i]).detach())
        theirs = reference.sample((40_000,)).quantile(quarters, dim=0)
        torch.testing.assert_close(x[:, i].quantile(quarters, dim=0), theirs, atol=0.05, rtol=0.03)
    assert float(x.mean(0).std(0).max()) > 0.1


def test_shapes_of_samples() -> None:
    base, c = _conditional(), torch.randn(3, 5, 4)
    assert base.sample((2, 7), c).shape == (2, 7, 3, 5, 2)
    assert base.sample((), c).shape == (3, 5, 2)
    assert base.sample(0, c).shape == (0, 3, 5, 2)
    assert base.sample(4, c[:0]).shape == (4, 0, 5, 2)


def test_scales_are_bounded() -> None:
    base = GaussianMixture(1, 2, context=1, hidden=(4,))
    with torch.no_grad():
        base.conditioner.output.bias.fill_(-1e30)
    x = torch.zeros(3, 1, requires_grad=True)
    log_prob = base.log_prob(x, torch.zeros(3, 1))
    log_prob.sum().backward()
    assert x.grad is not None
    with torch.no_grad():
        base.conditioner.output.bias[-2:] = -1e30
        base.conditioner.output.bias[:-2] = 0.0
        base.loc.zero_()
        at_mean = base.log_prob(torch.zeros(1), torch.zeros(1))
    expected = td.Normal(0.0, 1e-3).log_prob(torch.zeros(()))
    torch.testing.assert_close(at_mean, expected)


def test_it_learns_modes_that_move_with_the_context() -> None:
    """y = +-c: given c two narrow modes, which no conditional normal has."""
    torch.manual_seed(0)
    c = torch.rand(1000, 1) * 2 + 1
    sign = torch.randint(0, 2, (1000, 1)) * 2.0 - 1
    x = sign * c + 0.1 * torch.randn(1000, 1)
    base = GaussianMixture(1, 2, context=1, hidden=(32,), seed=0)
    model = diffeo.Flow(base, Reverse(1))
    model.fit(x, context=c, epochs=15, batch_size=100, lr=0.02, seed=0, progress=False)
    # the truth reaches 0.19; the best normals lie below -2
    assert float(model.log_prob(x, c).mean().detach()) > -0.5
    drawn = model.sample(2000, torch.tensor([2.5]), seed=0)
    assert float((drawn.abs() - 2.5).abs().median()) < 0.2


def test_a_missing_context() -> None:
    with pytest.raises(ContextError, match=r"GaussianMixture.*\(\*batch, 4\), but got none"):
        _conditional().sample(2)
