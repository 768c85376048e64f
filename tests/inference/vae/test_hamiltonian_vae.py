"""HamiltonianVAE: a bound on the extended space, tightened by its leapfrog steps."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from linear_gaussian import DATA, LATENT, LinearGaussian
from torch import nn

import diffeo
from diffeo.errors import ShapeError
from diffeo.inference.vae import FlowVAE, HamiltonianVAE, amortised_posterior
from diffeo.nets import MLP

CONTEXT = 4


def _start() -> diffeo.density.Density:
    return amortised_posterior("gaussian", LATENT, context=CONTEXT, hidden=(8,), seed=0)


@pytest.mark.parametrize("tempering", [False, True])
def test_more_draws_reach_the_density(tempering: bool) -> None:
    """The weights on the extended space are unbiased: log-determinants and momenta count."""
    exact = LinearGaussian()
    vae = HamiltonianVAE(
        nn.Linear(DATA, CONTEXT),
        _start(),
        exact.decoder,
        exact.likelihood,
        steps=3,
        step_size=0.3,
        tempering=tempering,
    ).double()
    with torch.no_grad():
        for parameter in vae.leapfrog.parameters():
            parameter += 0.2 * torch.randn_like(parameter)
    x = exact.marginal.sample((8,))
    truth = exact.marginal.log_prob(x)
    with torch.no_grad():
        many = vae.log_prob(x, num_samples=30_000, seed=0)
        one = vae.elbo(x, num_samples=1_000, seed=0)
    assert float((many - truth).abs().max()) < 0.1
    assert float((many - truth).mean()) == pytest.approx(0, abs=0.03)
    assert one.mean() < truth.mean() - 0.02


def test_steps_tighten_the_bound_of_their_start() -> None:
    """Only tempered ones do: others conserve the energy, and with it the bound."""
    exact = LinearGaussian()
    exact.decoder.weight.data *= 2
    parts = nn.Linear(DATA, CONTEXT), _start(), exact.decoder, exact.likelihood
    x = exact.decoder(torch.randn(100, LATENT).double()).detach()
    alone = FlowVAE(*parts).double()
    moved = HamiltonianVAE(*parts, steps=4, step_size=0.2).double()
    optimizer = torch.optim.Adam(moved.leapfrog.parameters(), lr=0.2)
    for _ in range(40):
        optimizer.zero_grad()
        (-moved.elbo(x).mean()).backward()
        optimizer.step()
    with torch.no_grad():
        gain = moved.elbo(x, num_samples=50, seed=0) - alone.elbo(x, num_samples=50, seed=0)
    assert float(gain.mean()) > 0.5


def test_training_moves_every_part_and_improves_the_bound() -> None:
    bits = torch.randint(2, (400, 2)).repeat_interleave(3, dim=1).float()
    decoder = nn.Sequential(nn.Linear(LATENT, 16), nn.Tanh(), nn.Linear(16, 6))
    vae = HamiltonianVAE(nn.Linear(6, CONTEXT), _start(), decoder, steps=2)
    before = {name: p.detach().clone() for name, p in vae.named_parameters()}
    start = vae.elbo(bits, seed=0).mean()
    vae.fit(bits, epochs=8, batch_size=50, lr=2e-2, kl_warmup=10, progress=False)
    assert vae.elbo(bits, seed=0).mean() > start + 0.5
    assert [n for n, p in vae.named_parameters() if p.numel() and torch.equal(p, before[n])] == []


def test_a_file_and_a_repr(tmp_path: Path) -> None:
    vae = HamiltonianVAE(MLP(6, CONTEXT, (8,)), _start(), MLP(LATENT, 6, (8,)), steps=2)
    vae.save(tmp_path / "vae.safetensors")
    again = diffeo.load(tmp_path / "vae.safetensors")
    x = torch.ones(3, 6)
    assert torch.equal(again.log_prob(x, seed=0), vae.log_prob(x, seed=0))
    assert "steps=2" in repr(again)


def test_latents_that_are_no_vectors() -> None:
    class Square(diffeo.bases.StandardNormal):
        def __init__(self) -> None:
            super().__init__((2, 2))
            self.context = CONTEXT

    decoder = nn.Sequential(nn.Flatten(), nn.Linear(4, 6))
    with pytest.raises(ShapeError, match="must be vectors"):
        HamiltonianVAE(nn.Linear(6, CONTEXT), Square(), decoder)
