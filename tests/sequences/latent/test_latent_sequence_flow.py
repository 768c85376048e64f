"""Latent flows of sequences: known truths, unequal lengths, sampling, continuation, errors."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import diffeo
from diffeo.audit import perturbed
from diffeo.errors import DataError, ShapeError
from diffeo.inference.vae import Categorical
from diffeo.sequences import LatentSequenceFlow
from diffeo.sequences.latent.changes import shifted, windows
from diffeo.sequences.latent.networks import Recurrent

KINDS = ("af/af", "af/scf", "iaf/scf")
SMALL: dict[str, Any] = {"latent": 2, "hidden": 6, "step_hidden": (8,), "seed": 0}


def _model(kind: Any = "af/af", steps: int = 3, width: int = 1, **options: Any) -> Any:
    fresh = LatentSequenceFlow(steps, width, prior=kind, **{**SMALL, **options})
    model = perturbed(fresh)
    last: Any = model.encoder.output[-1]
    with torch.no_grad():
        # halfway, so that estimates settle: a posterior a little wider than the prior
        for moved, start in zip(model.parameters(), fresh.parameters(), strict=True):
            moved.lerp_(start, 0.4)
        last.weight.mul_(0.2)
        last.bias.copy_(torch.tensor([0.0, 0.3]).repeat(len(last.bias) // 2))
    return model.double().eval()


def _all(values: int, steps: int) -> Tensor:
    """Every sequence of one element a step."""
    rows = list(itertools.product(range(values), repeat=steps))
    return torch.tensor(rows, dtype=torch.float64)[..., None]


def _estimates(model: Any, x: Tensor, count: int) -> Tensor:
    """Ten independent estimates (10, rows) of the probabilities of x."""
    with torch.no_grad():
        return torch.stack(
            [model.log_prob(x, num_samples=count, seed=seed).exp() for seed in range(10)]
        )


@pytest.mark.parametrize("kind", KINDS)
def test_probabilities_of_all_sequences_add_up_to_one_and_are_the_frequencies_of_samples(kind):
    model = _model(kind, latent=1)
    x = _all(2, 3)
    each = _estimates(model, x, 500)
    totals = each.sum(1)
    assert float(totals.std()) / math.sqrt(10) < 0.01
    assert abs(float(totals.mean()) - 1) < 4 * float(totals.std()) / math.sqrt(10) + 1e-3
    drawn = model.sample(20_000, seed=0)
    shares = (drawn[:, None] == x).all(-1).all(-1).double().mean(0)
    error = 4 * (shares * (1 - shares) / 20_000).sqrt() + 4 * each.std(0) / math.sqrt(10)
    assert bool(((each.mean(0) - shares).abs() < error + 1e-3).all())


def test_probabilities_of_all_sequences_of_labels_of_every_length_add_up_to_one():
    model = _model(likelihood=Categorical(3), steps=2, latent=1)
    for steps in (1, 2):
        x = torch.full((3**steps, 2, 1), -1.0, dtype=torch.float64)
        x[:, :steps] = _all(3, steps)
        totals = _estimates(model, x, 400).sum(1)
        assert abs(float(totals.mean()) - 1) < 4 * float(totals.std()) / math.sqrt(10) + 1e-3


@pytest.mark.parametrize("kind", KINDS)
def test_padding_changes_nothing(kind):
    """What a sequence's log-probability is does not depend on the steps that it does not have."""
    long = _model(kind, steps=7, width=2, recurrent_layers=2)
    short = long.of_length(3)
    x = (torch.rand(4, 3, 2) < 0.5).double()
    padded = torch.full((4, 7, 2), -1.0, dtype=torch.float64)
    padded[:, :3] = x
    whole = (torch.rand(1, 7, 2) < 0.5).double()
    with torch.no_grad():
        expected = short.log_prob(x, num_samples=2, seed=0)
        # both draw the same noise, as no sequence is longer
        torch.testing.assert_close(long.log_prob(padded, num_samples=2, seed=0), expected)
        # beside a longer one the noise is other, but parts of the bound that draw none are not
        code = short._code(x)
        mixed = long._code(torch.cat([padded, whole]))[:4]
    torch.testing.assert_close(mixed[:, : code.shape[1]], code)


def test_terms_are_those_of_posterior_prior_and_decoder():
    """The packed bound is what the densities, each called by itself, make of the same draw."""
    model = _model(steps=4, width=3)
    x = (torch.rand(5, 4, 3) < 0.5).double()
    z = model.encode(x, seed=3)
    terms = model.elbo_terms(x, seed=3)
    code = model._code(x)
    divergence = model.flow.log_prob(z, code) - model.prior.log_prob(z)
    torch.testing.assert_close(terms.divergence, divergence)
    torch.testing.assert_close(terms.likelihood, model._log_likelihood(x, z))


def test_sequences_with_padding_in_wrong_places_are_impossible_and_bad_for_a_fit():
    model = _model(steps=4, width=2)
    x = torch.zeros(4, 4, 2, dtype=torch.float64)
    x[0, 2:] = -1  # two steps
    x[1, 1] = -1  # a hole
    x[2] = -1  # nothing
    x[3, 3, 0] = -1  # half a step
    log_prob = model.log_prob(x, seed=0)
    assert log_prob.isfinite().tolist() == [True, False, False, False]
    assert bool((log_prob[1:] == -torch.inf).all())
    rows = np.zeros((20, 4, 2))
    rows[7, 1] = -1
    with pytest.raises(DataError, match="row 7"):
        model.fit(rows, epochs=1, progress=False)


def test_nats_per_step_divides_by_the_steps_that_are_there():
    model = _model(steps=4, width=2)
    x = np.zeros((2, 4, 2))
    x[1, 1:] = -1
    found = model.nats_per_step(x, num_samples=3, seed=0)
    assert isinstance(found, np.ndarray)
    expected = -model.log_prob(x, num_samples=3, seed=0) / np.array([4, 1])
    np.testing.assert_allclose(found, expected)


def _melodies(rows: int) -> np.ndarray[Any, Any]:
    """Two notes in turn, from the first or the second on: one bit in all."""
    start = np.random.default_rng(0).integers(0, 2, rows)
    return np.eye(2)[(start[:, None] + np.arange(6)) % 2]


@pytest.mark.parametrize("kind", ["af/af", "iaf/scf"])
def test_a_fit_learns_what_steps_have_to_do_with_one_another(kind):
    x = _melodies(100)
    model = LatentSequenceFlow(6, 2, prior=kind, **{**SMALL, "hidden": 16})
    model.fit(x, epochs=50, batch_size=20, lr=1e-2, kl_free=40, kl_warmup=80, progress=False)
    nats = -model.log_prob(x[:50], num_samples=20, seed=0).mean()
    # independent elements would take 12 log 2 = 8.3
    assert math.log(2) - 0.05 < nats < 2.0
    # the second half of a melody follows from the first
    found = model.continued(x[0, :3], 20, candidates=8, seed=0)
    assert (found[:, :3] == x[0, :3]).all()
    assert (found[:, 3:] == x[0, 3:]).mean() > 0.85
    other = model.continued(1 - x[0, :3], 20, candidates=8, seed=0)
    assert (other[:, 3:] == 1 - x[0, 3:]).mean() > 0.85


def test_continuations_are_exact_with_many_candidates():
    model = _model(steps=2, latent=1, likelihood=Categorical(2))
    pairs = _all(2, 2)
    joint = _estimates(model, pairs, 2_000).mean(0).reshape(2, 2)
    prefix = torch.ones(1, 1, dtype=torch.float64)
    share = float(model.continued(prefix, 2_000, candidates=40, seed=0)[:, 1, 0].mean())
    expected = float(joint[1, 1] / joint[1].sum())
    assert share == pytest.approx(expected, abs=4 * math.sqrt(0.25 / 2_000) + 0.02)


def test_draws_have_the_steps_wanted_and_are_all_alike_when_cold():
    model = _model(steps=5, width=4)
    x = model.draw(30, 3, temperature=0.0, seed=0)
    assert x.shape == (30, 3, 4)
    assert bool((x == x[0]).all())
    warm = model.draw(30, 3, seed=0)
    assert not bool((warm == warm[0]).all())
    assert torch.equal(warm, model.draw(30, 3, seed=0))


def test_states_stay_in_full_precision_under_autocast():
    network = Recurrent(3, 4, layers=2)
    rows = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected, _ = network.step(rows, None)
        with torch.autocast("cpu", torch.bfloat16):
            found, state = network.step(rows, None)
            again, _ = network.step(rows.bfloat16(), state)
    assert torch.equal(found, expected)
    assert again.dtype == torch.float32


def test_it_is_saved_and_loaded(tmp_path: Path):
    univariate = diffeo.univariates.NonlinearSquared()
    model = LatentSequenceFlow(5, 3, likelihood=Categorical(4), univariate=univariate, **SMALL)
    model.save(tmp_path / "m.safetensors")
    again = diffeo.load(tmp_path / "m.safetensors")
    x = torch.randint(0, 4, (6, 5, 3)).float()
    torch.testing.assert_close(again.log_prob(x, seed=0), model.eval().log_prob(x, seed=0))


def test_transpositions_keep_intervals_and_padding_and_lose_no_note():
    x = torch.zeros(300, 4, 10)
    x[:, 0, 2] = x[:, 1, 8] = 1
    x[:, 3:] = -1
    moved = shifted(x, 5)
    assert bool((moved[:, 3:] == -1).all())
    low, high = moved[:, 0].argmax(-1), moved[:, 1].argmax(-1)
    assert bool((high - low == 6).all())
    assert bool((moved[:, :3].sum((1, 2)) == 2).all())
    assert sorted(set(low.tolist())) == [0, 1, 2, 3]


def test_windows_are_parts_of_their_sequences():
    x = torch.arange(8.0).expand(200, 8)[..., None].clone()
    x[100:, 5:] = -1
    seen = windows(x, 4)
    starts = seen[:, 0, 0]
    torch.testing.assert_close(seen[..., 0], starts[:, None] + torch.arange(4))
    assert set(starts[:100].tolist()) == {0, 1, 2, 3, 4}
    assert set(starts[100:].tolist()) == {0, 1}
    short = windows(torch.cat([x[:1], torch.where(x[:1] < 2, x[:1], -1)]), 4)
    assert short[1, :, 0].tolist() == [0, 1, -1, -1]


def test_training_sees_transpositions_and_windows_and_evaluation_does_not():
    x = torch.zeros(40, 8, 12)
    x[:, :, 6] = 1
    model = LatentSequenceFlow(8, 12, transpose=4, window=3, **SMALL)
    plain = LatentSequenceFlow(8, 12, **SMALL)
    torch.testing.assert_close(model.elbo(x, seed=0), plain.elbo(x, seed=0))
    # three of eight steps, at a model that finds all notes about equally probable
    seen = model.training_terms(x).likelihood.mean().item()
    whole = plain.elbo_terms(x).likelihood.mean().item()
    assert seen == pytest.approx(3 / 8 * whole, rel=0.05)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"prior": "scf/af"}, "af/scf"),
        ({"dropout": 1.0}, "dropout"),
        ({"window": 0}, "window"),
        ({"transpose": 2, "likelihood": Categorical(3)}, "transposed"),
        ({"latent": 0}, "whole number"),
    ],
)
def test_bad_options_are_named(options: dict[str, Any], said: str):
    with pytest.raises(ValueError, match=said):
        LatentSequenceFlow(4, 2, **{**SMALL, **options})


def test_bad_draws_and_prefixes_are_named():
    model = _model(steps=4, width=2)
    with pytest.raises(ShapeError, match="up to 4"):
        model.draw(1, 5)
    with pytest.raises(ValueError, match="temperature"):
        model.draw(1, temperature=-1.0)
    with pytest.raises(ShapeError, match=r"\(steps, 2\)"):
        model.continued(np.zeros((2, 3)))
    with pytest.raises(ShapeError, match="more than the 4"):
        model.continued(np.zeros((5, 2)))
    bad = np.zeros((3, 2))
    bad[1, 0] = 0.5
    with pytest.raises(DataError, match="step 1, element 0"):
        model.continued(bad)
