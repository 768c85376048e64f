"""Likelihoods are distributions: they sum or integrate to 1 and agree with torch's."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, distributions

from diffeo.inference.vae import Bernoulli, Categorical, DiscretisedLogistic, Gaussian, Likelihood

PARAMS = torch.tensor([[0.3], [-2.0]], dtype=torch.float64)


def _values(levels: int) -> Tensor:
    return torch.arange(levels, dtype=torch.float64)


@pytest.mark.parametrize(
    ("likelihood", "levels", "params"),
    [
        (Bernoulli(), 2, PARAMS[:1]),
        (Categorical(3), 3, torch.tensor([[0.3], [-2.0], [1.0]], dtype=torch.float64)),
        (DiscretisedLogistic(), 256, PARAMS),
        (DiscretisedLogistic(2), 2, PARAMS),
        # all mass in one bin, and nearly all beyond the last level
        (DiscretisedLogistic(), 256, torch.tensor([[0.1], [-30.0]], dtype=torch.float64)),
        (DiscretisedLogistic(), 256, torch.tensor([[9.0], [-3.0]], dtype=torch.float64)),
    ],
)
def test_discrete_likelihoods_sum_to_one_and_have_their_mean(
    likelihood: Likelihood, levels: int, params: Tensor
) -> None:
    values = _values(levels)
    p = likelihood.log_prob(values, params.expand(-1, levels)).exp()
    assert float(p.sum()) == pytest.approx(1, abs=1e-9)
    assert bool(likelihood.support.contains(values).all())
    assert not bool(likelihood.support.contains(values + 0.5).any())
    expected = p.argmax() if isinstance(likelihood, Categorical) else (p * values).sum()
    assert float(likelihood.mean(params)[0]) == pytest.approx(float(expected), abs=1e-6)


@pytest.mark.parametrize(
    ("likelihood", "levels"), [(Bernoulli(), 2), (Categorical(3), 3), (DiscretisedLogistic(8), 8)]
)
def test_samples_have_the_probabilities(likelihood: Likelihood, levels: int) -> None:
    params = torch.randn(likelihood.num_params, 1, dtype=torch.float64)
    p = likelihood.log_prob(_values(levels), params.expand(-1, levels)).exp()
    generator = torch.Generator().manual_seed(1)
    x = likelihood.sample(params.expand(-1, 40_000), generator)
    shares = torch.bincount(x.long(), minlength=levels) / len(x)
    assert float((shares - p).abs().max()) < 0.012
    generator.manual_seed(1)
    assert torch.equal(x, likelihood.sample(params.expand(-1, 40_000), generator))


def test_discretised_logistic_is_the_difference_of_logistic_cdfs() -> None:
    x, params = _values(256), torch.tensor([[0.2], [-1.5]], dtype=torch.float64)
    # the log-scale is bounded smoothly by log 1000
    scale = _bounded(params[1]).exp()
    assert float(scale.log()) == pytest.approx(-1.477, abs=1e-3)
    v = 2 * x / 255 - 1
    upper = torch.sigmoid((v + 1 / 255 - params[0]) / scale)
    lower = torch.sigmoid((v - 1 / 255 - params[0]) / scale)
    upper[-1], lower[0] = 1.0, 0.0
    found = DiscretisedLogistic().log_prob(x, params.expand(-1, 256))
    assert torch.allclose(found, (upper - lower).log(), atol=1e-8)


def _bounded(log_scale: Tensor) -> Tensor:
    bound = math.log(1000)
    return bound * torch.tanh(log_scale / bound)


def test_as_torch_distributions() -> None:
    x = torch.tensor([0.0, 1.0, 1.0])
    logits = torch.randn(1, 3)
    expected = distributions.Bernoulli(logits=logits[0]).log_prob(x)
    assert torch.allclose(Bernoulli().log_prob(x, logits), expected)
    logits = torch.randn(4, 3)
    expected = distributions.Categorical(logits=logits.T).log_prob(x)
    assert torch.allclose(Categorical(4).log_prob(x, logits), expected)
    loc, log_scale = torch.randn(2, 3)
    expected = distributions.Normal(loc, 0.5).log_prob(x)
    assert torch.allclose(Gaussian(0.5).log_prob(x, loc[None]), expected)
    expected = distributions.Normal(loc, _bounded(log_scale).exp()).log_prob(x)
    assert torch.allclose(Gaussian().log_prob(x, torch.stack([loc, log_scale])), expected)


def test_gaussian_samples_have_mean_and_scale_and_carry_gradients() -> None:
    likelihood = Gaussian(0.5, learned=True)
    loc = torch.full((1, 20_000), 3.0, requires_grad=True)
    x = likelihood.sample(loc, torch.Generator().manual_seed(0))
    assert float(x.detach().mean()) == pytest.approx(3, abs=0.02)
    assert float(x.detach().std()) == pytest.approx(0.5, abs=0.02)
    x.mean().backward()
    assert float(loc.grad.sum()) == pytest.approx(1, abs=1e-5)
    assert likelihood.log_scale.grad is not None


def test_extreme_parameters_give_finite_gradients() -> None:
    params = torch.tensor([[-1e4, 1e4, 0.0, 0.0], [50.0, -50.0, -50.0, 50.0]], requires_grad=True)
    DiscretisedLogistic().log_prob(torch.tensor([255.0, 0.0, 7.0, 100.0]), params).sum().backward()
    assert bool(params.grad.isfinite().all())


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Gaussian(0.0), "scale must be positive"),
        (lambda: Gaussian(learned=True), "needs a scale to start at"),
        (lambda: Categorical(1), "at least 2 labels"),
        (lambda: DiscretisedLogistic(1), "levels must be a whole number >= 2"),
    ],
)
def test_what_likelihoods_refuse(build: Callable[[], Likelihood], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()
