"""FlowVAE: its bounds against a known log p(x), training, files, errors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from linear_gaussian import DATA, LATENT, LinearGaussian
from torch import Tensor, nn

import diffeo
from diffeo.errors import DataError, ModelFileError, ShapeError
from diffeo.inference.vae import (
    Categorical,
    DiscretisedLogistic,
    FlowVAE,
    Gaussian,
    amortised_posterior,
    negative_elbo,
)
from diffeo.inference.vae.posteriors import Family
from diffeo.nets import MLP

FAMILIES: list[Family] = ["gaussian", "planar", "radial", "sylvester", "iaf", "realnvp", "spline"]
CONTEXT = 4


def _posterior(family: Family = "iaf", latent: int = LATENT) -> Any:
    options = {} if family == "gaussian" else {"layers": 2}
    return amortised_posterior(family, latent, context=CONTEXT, hidden=(16,), seed=0, **options)


def _vae(family: Family = "iaf", data: int = 6, **options: Any) -> FlowVAE:
    encoder = nn.Sequential(nn.Linear(data, 16), nn.SiLU(), nn.Linear(16, CONTEXT))
    decoder = nn.Sequential(nn.Linear(LATENT, 16), nn.SiLU(), nn.Linear(16, data))
    return FlowVAE(encoder, _posterior(family), decoder, **options)


def _stripes(rows: int) -> Tensor:
    """Rows of six bits, of two kinds that are copies but for a fiftieth."""
    bits = torch.randint(2, (rows, 2)).repeat_interleave(3, dim=1)
    return (bits ^ (torch.rand(rows, 6) < 0.02)).float()


# -- bounds --------------------------------------------------------------------------------------


def test_the_exact_posterior_makes_every_bound_the_density() -> None:
    exact = LinearGaussian()
    vae = FlowVAE(exact.encoder, exact.posterior, exact.decoder, exact.likelihood).double()
    x = exact.marginal.sample((20,))
    truth = exact.marginal.log_prob(x)
    for seed in (0, 1):
        assert torch.allclose(vae.log_prob(x, seed=seed), truth, atol=1e-9)
        assert torch.allclose(vae.elbo(x, num_samples=3, seed=seed), truth, atol=1e-9)
        assert torch.allclose(vae.log_prob(x, num_samples=5, seed=seed), truth, atol=1e-9)


def test_bounds_lie_below_the_density_and_rise_to_it() -> None:
    exact = LinearGaussian()
    encoder = nn.Linear(DATA, CONTEXT)
    vae = FlowVAE(encoder, _posterior("planar"), exact.decoder, exact.likelihood).double()
    x = exact.marginal.sample((20,))
    truth = exact.marginal.log_prob(x).mean()
    with torch.no_grad():
        elbo = vae.elbo(x, num_samples=2_000, seed=0).mean()
        ten = torch.stack([vae.log_prob(x, num_samples=10, seed=k).mean() for k in range(30)])
        many = vae.log_prob(x, num_samples=10_000, seed=0).mean()
    assert elbo < truth - 0.1
    assert elbo < ten.mean() < truth
    assert float(many - truth) == pytest.approx(0, abs=0.03)


def test_elbo_is_the_difference_of_its_terms_and_its_divergence_the_kl() -> None:
    vae = _vae("gaussian")
    nn.init.normal_(vae.flow.conditioner.output.weight)
    x = _stripes(5)
    terms = vae.elbo_terms(x, num_samples=4_000, seed=0)
    elbo = vae.elbo(x, num_samples=4_000, seed=0)
    assert torch.allclose(terms.likelihood - terms.divergence, elbo, atol=1e-3)
    loc, log_scale = vae.flow._moments(vae.encoder(x))
    kl = 0.5 * (loc.square() + (2 * log_scale).exp() - 1 - 2 * log_scale).sum(-1)
    assert torch.allclose(terms.divergence, kl, atol=0.1, rtol=0.05)


def test_gradients_reach_every_parameter_and_agree_with_differences() -> None:
    vae = _vae("planar").double()
    x = _stripes(8).double()
    vae.fit(_stripes(100), epochs=1, progress=False)
    loss = -vae.elbo(x, seed=0).mean()
    loss.backward()
    assert [name for name, p in vae.named_parameters() if p.grad is None] == []
    weight = vae.encoder[0].weight
    step = 1e-6
    with torch.no_grad():
        values = []
        for side in (step, -step):
            weight[0, 0] += side
            values.append(float(-vae.elbo(x, seed=0).mean()))
            weight[0, 0] -= side
    assert float(weight.grad[0, 0]) == pytest.approx((values[0] - values[1]) / (2 * step), abs=1e-7)


def test_chunks_do_not_change_the_posterior_that_rows_see() -> None:
    exact = LinearGaussian()
    vae = FlowVAE(exact.encoder, exact.posterior, exact.decoder, exact.likelihood).double()
    x = exact.marginal.sample((7,))
    whole = vae.log_prob(x, num_samples=11)
    assert torch.allclose(vae.log_prob(x, num_samples=11, chunk_size=3), whole, atol=1e-9)


# -- training ------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_learns(family: Family) -> None:
    vae = _vae(family)
    # a decoder that listens to z from the start, so that few steps show what the posterior learns
    vae.decoder = nn.Linear(LATENT, 6)
    nn.init.normal_(vae.decoder.weight, std=4.0)
    x, test = _stripes(400), _stripes(300)
    before = vae.elbo(test, num_samples=20, seed=0).mean()
    vae.fit(x, epochs=4, batch_size=40, lr=2e-2, kl_warmup=10, seed=0, progress=False)
    after = vae.elbo(test, num_samples=20, seed=0).mean()
    assert float((after - before).detach()) > 5


def test_the_weight_of_the_divergence_rises_with_the_training_steps() -> None:
    vae = _vae()
    x = _stripes(10)
    terms = vae.elbo_terms(x, seed=torch.Generator().manual_seed(3))
    for updates, beta in [(0, 0.0), (5, 0.5), (10, 1.0), (25, 1.0)]:
        vae.train()
        vae.updates.fill_(updates)
        torch.manual_seed(3)
        loss = negative_elbo(vae, x, warmup=10)
        assert torch.allclose(loss, (beta * terms.divergence - terms.likelihood).mean(), atol=1e-5)
        assert int(vae.updates) == updates + 1
        vae.eval()
        vae.updates.zero_()
        torch.manual_seed(3)
        loss = negative_elbo(vae, x, warmup=10)
        assert torch.allclose(loss, (terms.divergence - terms.likelihood).mean(), atol=1e-5)
        assert int(vae.updates) == 0


def test_the_count_of_training_steps_is_in_the_weights() -> None:
    """So checkpoints keep it, and a return to earlier weights takes it back."""
    vae = _vae().fit(_stripes(100), epochs=2, batch_size=30, validation=None, progress=False)
    assert int(vae.state_dict()["updates"]) == 8
    vae.fit(_stripes(100), epochs=1, batch_size=30, validation=None, progress=False)
    assert int(vae.updates) == 12


def test_weights_of_rows_count() -> None:
    vae = _vae().eval()
    x, weight = _stripes(4), torch.tensor([2.0, 0.0, 1.0, 1.0])
    torch.manual_seed(0)
    elbo = vae.elbo(x)
    torch.manual_seed(0)
    assert torch.allclose(negative_elbo(vae, x, None, weight), -(weight * elbo).mean())


def test_images_of_bytes_with_convolutions_and_a_learned_prior() -> None:
    encoder = nn.Sequential(
        nn.Conv2d(1, 4, 3, stride=2), nn.SiLU(), nn.Flatten(), nn.Linear(36, CONTEXT)
    )
    decoder = nn.Sequential(nn.Linear(LATENT, 2 * 64), nn.Unflatten(1, (2, 8, 8)))
    prior = diffeo.RealNVP(LATENT, layers=2, hidden=(8,))
    vae = FlowVAE(encoder, _posterior(), decoder, DiscretisedLogistic(), prior)
    assert vae.event_shape == (1, 8, 8)
    x = torch.randint(256, (40, 1, 8, 8)).float()
    before = vae.elbo(x, seed=0).mean()
    vae.fit(x, epochs=5, lr=1e-2, validation=None, progress=False)
    assert vae.elbo(x, seed=0).mean() > before
    assert vae.log_prob(x.reshape(5, 8, 1, 8, 8), num_samples=2).shape == (5, 8)
    sample = vae.sample(3, seed=0)
    assert sample.shape == (3, 1, 8, 8)
    assert bool(vae.support.contains(sample).all())


# -- the rest of the model -----------------------------------------------------------------------


def test_shapes_seeds_and_arrays() -> None:
    vae = _vae()
    x = _stripes(5)
    z = vae.encode(x, (2, 3), seed=0)
    assert z.shape == (2, 3, 5, LATENT)
    assert torch.equal(z, vae.encode(x, (2, 3), seed=0))
    assert vae.encode(x).shape == (5, LATENT)
    assert vae.decode(z).shape == (2, 3, 5, 6)
    assert isinstance(vae.reconstruct(x.numpy(), seed=0), np.ndarray)
    assert isinstance(vae.elbo_terms(x.numpy()).likelihood, np.ndarray)
    assert np.array_equal(vae.log_prob(x.numpy(), seed=0), vae.log_prob(x, seed=0).detach())


def test_values_outside_the_support_have_no_probability() -> None:
    vae = _vae()
    x = _stripes(4)
    x[1, 2], x[2, 0] = 0.5, torch.nan
    log_prob = vae.log_prob(x, num_samples=3, seed=0)
    assert log_prob.isfinite().tolist() == [True, False, False, True]
    assert float(log_prob[1].detach()) == -torch.inf
    assert bool(log_prob[2].isnan())


def test_a_file_of_described_networks_needs_no_parts(tmp_path: Path) -> None:
    vae = FlowVAE(MLP(6, CONTEXT, (8,)), _posterior(), MLP(LATENT, 18, (8,)), Categorical(3))
    x = torch.randint(3, (60, 6)).float()
    vae.fit(x, epochs=2, progress=False).save(tmp_path / "vae.safetensors")
    again = diffeo.load(tmp_path / "vae.safetensors")
    assert torch.equal(again.log_prob(x, seed=0), vae.log_prob(x, seed=0))


def test_a_file_asks_for_networks_of_your_own(tmp_path: Path) -> None:
    vae = _vae(likelihood=Gaussian(1.0, learned=True))
    vae.save(tmp_path / "vae.safetensors")
    with pytest.raises(ModelFileError, match=r"model\.encoder"):
        diffeo.load(tmp_path / "vae.safetensors")
    fresh = _vae()
    parts = {"model.encoder": fresh.encoder, "model.decoder": fresh.decoder}
    again = diffeo.load(tmp_path / "vae.safetensors", parts=parts)
    x = torch.randn(5, 6)
    assert torch.equal(again.log_prob(x, seed=0), vae.log_prob(x, seed=0))


# -- what is refused -----------------------------------------------------------------------------


def _of(**parts: Any) -> Callable[[], FlowVAE]:
    given = {"encoder": nn.Linear(6, CONTEXT), "decoder": nn.Linear(LATENT, 6), **parts}
    flow = given.pop("flow", None)
    return lambda: FlowVAE(flow=_posterior() if flow is None else flow, **given)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (_of(encoder=nn.Linear(6, 7)), r"context of width 4, but the encoder gives \(1, 7\)"),
        (_of(encoder=nn.Linear(9, CONTEXT)), r"data of shape \(6,\), which the encoder cannot"),
        (_of(decoder=nn.Linear(3, 6)), r"the decoder cannot read latents of shape \(2,\)"),
        (_of(likelihood=Categorical(4)), r"Categorical takes 4 .* for one row it gives \(1, 6\)"),
        (_of(flow=diffeo.RealNVP(2)), "this RealNVP reads no context"),
        (_of(prior=diffeo.bases.StandardNormal(3)), r"latents of shape \(2,\), the prior of"),
        (_of(prior=diffeo.RealNVP(2, context=3)), "prior must be a density of z alone"),
        (_of(prior=diffeo.bases.BoxUniform(2)), "give the flow supports="),
        (lambda: amortised_posterior("maf", 2, context=3), "family must be one of"),  # type: ignore[arg-type]
        (lambda: amortised_posterior("iaf", 2, context=0), "width of the encoder's output"),
        (lambda: amortised_posterior("iaf", 2, context=3, bins=4), "'iaf'.*bins"),
        (lambda: amortised_posterior("gaussian", 2, context=3, layers=4), "has no layers"),
    ],
)
def test_parts_that_do_not_fit(build: Callable[[], Any], message: str) -> None:
    with pytest.raises((ShapeError, ValueError), match=message):
        build()


def test_trying_the_networks_leaves_them_as_they_are() -> None:
    norm = nn.BatchNorm1d(6)
    encoder = nn.Sequential(norm, nn.Dropout(), nn.Linear(6, CONTEXT)).train()
    norm.eval()
    parts = encoder, _posterior(), nn.Sequential(nn.Linear(LATENT, 6), nn.Dropout())
    state = torch.random.get_rng_state()
    FlowVAE(*parts)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert [encoder.training, norm.training] == [True, False]
    assert int(norm.num_batches_tracked) == 0


@pytest.mark.parametrize(
    ("warmup", "betas"), [(0, {0: 0, 4: 0, 5: 1}), (10, {4: 0, 5: 0, 10: 0.5, 15: 1, 40: 1})]
)
def test_the_divergence_is_free_at_first(warmup: int, betas: dict[int, float]) -> None:
    vae = _vae().train()
    x = _stripes(10)
    terms = vae.elbo_terms(x, seed=torch.Generator().manual_seed(3))
    for updates, beta in betas.items():
        vae.updates.fill_(updates)
        torch.manual_seed(3)
        loss = negative_elbo(vae, x, warmup=warmup, free=5)
        assert torch.allclose(loss, (beta * terms.divergence - terms.likelihood).mean(), atol=1e-5)


def test_pixels_that_are_not_binary_are_named() -> None:
    x = _stripes(50)
    x[3, 1] = 0.5
    with pytest.raises(DataError, match=r"0.5 at row 3, column 'x1'.*integers\(0, 1\)"):
        _vae().fit(x, progress=False)


@pytest.mark.parametrize(
    "options",
    [
        {"kl_warmup": -1},
        {"kl_free": -1},
        {"kl_warmup": 5, "objective": print},
        {"kl_free": 5, "objective": print},
    ],
)
def test_a_warm_up_that_makes_no_sense(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        _vae().fit(_stripes(50), progress=False, **options)


@pytest.mark.parametrize("count", [0, -1, 1.5])
def test_numbers_of_draws_that_are_none(count: Any) -> None:
    with pytest.raises(ValueError, match="num_samples"):
        _vae().log_prob(_stripes(2), num_samples=count)
