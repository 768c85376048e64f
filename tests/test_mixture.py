from __future__ import annotations

import numpy as np
import pytest
import torch

import diffeo
from diffeo.bases import DiagonalNormal
from diffeo.errors import ShapeError
from diffeo.transforms import Reverse


def normal(loc, scale=1.0):
    return diffeo.Flow(DiagonalNormal(2, loc=loc, scale=scale, learned=True), Reverse(2))


def small(seed=0, **options):
    return diffeo.RealNVP(2, layers=2, hidden=(8,), seed=seed, **options)


def two_blobs(rows=600):
    random = np.random.default_rng(0)
    return random.normal(size=(rows, 2)) * 0.5 + np.where(random.random((rows, 1)) < 0.25, 4, -4)


def test_log_prob_is_that_of_the_mixture():
    mixture = diffeo.Mixture(normal(0.0), normal(2.0, 0.5))
    with torch.no_grad():
        mixture.logits.copy_(torch.tensor([0.2, 0.8]).log() + 3)
    x = torch.randn(5, 7, 2)
    each = [c.log_prob(x).exp() for c in mixture.components]
    torch.testing.assert_close(mixture.log_prob(x).exp(), 0.2 * each[0] + 0.8 * each[1])


def test_samples_follow_the_weights():
    mixture = diffeo.Mixture(normal(-50.0), normal(50.0))
    with torch.no_grad():
        mixture.logits.copy_(torch.tensor([0.2, 0.8]).log())
    x = mixture.sample(20_000, seed=0)
    # 4 standard errors of a share
    assert (x[:, 0] > 0).double().mean().item() == pytest.approx(0.8, abs=0.012)
    # a whole event comes from one component
    assert torch.equal(x[:, 0] > 0, x[:, 1] > 0)
    assert torch.equal(x, mixture.sample(20_000, seed=0))
    assert mixture.sample(0).shape == (0, 2)
    assert mixture.sample().shape == (2,)


def test_conditional_shapes():
    mixture = diffeo.Mixture(small(context=3), small(context=3))
    c = torch.randn(4, 5, 3)
    x, log_prob = mixture.sample_and_log_prob(6, c)
    assert (x.shape, log_prob.shape) == ((6, 4, 5, 2), (6, 4, 5))
    torch.testing.assert_close(mixture.log_prob(x, c), log_prob)


def test_samples_cannot_be_reparameterised():
    with pytest.raises(TypeError, match="cannot be reparameterised"):
        diffeo.Mixture(small()).rsample(3)


def test_outside_the_support_density_and_gradient_are_zero():
    mixture = diffeo.Mixture(*(small(supports=diffeo.positive()) for _ in range(2)))
    x = torch.tensor([[1.0, -1.0]])
    assert mixture.log_prob(x).item() == -torch.inf
    assert torch.equal(mixture.score(x), torch.zeros(1, 2))


def test_components_must_fit_together():
    with pytest.raises(ShapeError, match="at least one"):
        diffeo.Mixture()
    with pytest.raises(ShapeError, match="one event shape and one context width"):
        diffeo.Mixture(small(), small(context=1))
    with pytest.raises(ShapeError, match="one event shape and one context width"):
        diffeo.Mixture(small(), diffeo.RealNVP(3))
    with pytest.raises(ShapeError, match=r"one support, got .*positive"):
        diffeo.Mixture(small(), small(supports=diffeo.positive()))


def test_a_mixture_learns_its_weights_and_is_saved(tmp_path):
    x = two_blobs()
    mixture = diffeo.Mixture(normal(-1.0), normal(1.0))
    mixture.fit(x, epochs=60, lr=0.1, progress=False)
    weights = torch.softmax(mixture.logits, 0).sort().values
    assert weights.tolist() == pytest.approx([0.25, 0.75], abs=0.05)
    mixture.save(tmp_path / "m.safetensors")
    loaded = diffeo.load(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(loaded.log_prob(x), mixture.log_prob(x))


def test_an_ensemble_fits_each_member_on_its_own(tmp_path):
    x = two_blobs(200)
    options = {"epochs": 2, "progress": False}
    ensemble = diffeo.Ensemble(small(0), small(1))
    assert ensemble.fit(x, seed=5, **options) is ensemble
    alone = [small(k).fit(x, seed=5 + k, **options) for k in range(2)]
    for member, one in zip(ensemble.components, alone, strict=True):
        np.testing.assert_array_equal(member.log_prob(x), one.log_prob(x))
    mean = np.mean([np.exp(one.log_prob(x)) for one in alone], axis=0)
    np.testing.assert_allclose(np.exp(ensemble.log_prob(x)), mean, rtol=1e-4)
    ensemble.save(tmp_path / "m.safetensors")
    loaded = diffeo.load(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(loaded.log_prob(x), ensemble.log_prob(x))
    assert len(loaded.record["members"]) == 2
    assert "logits" not in dict(ensemble.named_parameters())
