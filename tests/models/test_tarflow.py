"""TarFlow: hidden contexts, guidance, denoising, and errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import diffeo
from diffeo.audit import perturbed
from diffeo.bases import MultivariateNormal
from diffeo.errors import ContextError, ShapeError
from diffeo.models import TarFlow
from diffeo.models.images import denoise

SMALL: dict[str, Any] = {"patch": 2, "blocks": 2, "layers": 1, "dim": 8, "heads": 2, "seed": 0}


def _flow(**options: Any) -> TarFlow:
    return perturbed(TarFlow((1, 4, 6), context=2, **SMALL, **options)).double().eval()


def test_it_starts_at_its_base_and_its_seed_decides_its_weights() -> None:
    flow, again = TarFlow((1, 4, 6), **SMALL), TarFlow((1, 4, 6), **SMALL)
    x = torch.randn(3, 1, 4, 6)
    expected = diffeo.bases.StandardNormal((1, 4, 6)).log_prob(x)
    torch.testing.assert_close(flow.log_prob(x), expected)
    for one, other in zip(flow.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)


def test_windows_give_the_same_samples() -> None:
    flow = perturbed(TarFlow((1, 8, 8), window=1, **SMALL))
    windows = TarFlow((1, 8, 8), window=5, **SMALL)
    windows.load_state_dict(flow.state_dict())
    x = flow.sample(7, seed=0)
    torch.testing.assert_close(windows.sample(7, seed=0), x, rtol=0, atol=1e-4)
    flow, windows = flow.double(), windows.double()
    x = flow.sample(7, seed=0)
    torch.testing.assert_close(windows.sample(7, seed=0), x, rtol=0, atol=1e-8)


@torch.no_grad()
def test_guidance_of_zero_is_ordinary_sampling_and_more_of_it_another() -> None:
    flow, context = _flow(drop_context=0.2), torch.randn(3, 2, dtype=torch.float64)
    x = flow.sample(4, context, seed=0)
    assert x.shape == (4, 3, 1, 4, 6)
    same = flow.sample_guided(4, context, 0.0, seed=0)
    torch.testing.assert_close(same, x, rtol=0, atol=1e-10)
    pushed = flow.sample_guided(4, context, 1.0, seed=0)
    flat = flow.sample_guided(4, context, 1.0, rising=False, seed=0)
    assert float((pushed - x).abs().amax()) > 0.01
    assert float((pushed - flat).abs().amax()) > 0.01
    few = flow.sample_guided(4, context, 1.0, seed=0, chunk_size=2)
    torch.testing.assert_close(few, pushed, rtol=0, atol=1e-10)
    assert isinstance(flow.sample_guided(4, context.numpy(), 1.0, seed=0), np.ndarray)


@torch.no_grad()
def test_guidance_moves_the_mean_of_a_gaussian_as_its_formula_says() -> None:
    """One block whose only message is a shift by the first context: mean = (1 + w) shift."""
    flow = TarFlow((1, 2, 2), context=1, drop_context=0.5, **{**SMALL, "blocks": 1}).eval()
    network = flow.transform[0].network
    for parameter in network.parameters():
        parameter.zero_()
    network.norm.weight.fill_(1.0)
    # the context makes the first two units +-1, the hidden one makes none of it
    network.input.context_weight[:2, 0] = torch.tensor([1.0, -1.0])
    shift = 3.0 / float(
        torch.nn.functional.layer_norm(torch.tensor([1.0, -1.0] + [0] * 6), (8,))[0]
    )
    network.output.weight[:4, 0] = shift
    context = torch.ones(1)
    x = flow.sample(1000, context, seed=0)
    for w in (0.5, 2.0):
        pushed = flow.sample_guided(1000, context, w, rising=False, seed=0)
        torch.testing.assert_close(pushed - x, torch.full_like(x, 3 * w), rtol=0, atol=1e-4)
    assert float(x.mean()) == pytest.approx(3.0, abs=0.1)


def test_training_hides_contexts_at_their_rate_and_evaluation_never() -> None:
    flow, context = _flow(drop_context=0.25), torch.randn(8000, 2, dtype=torch.float64)
    seen = flow._embed(context)
    assert torch.equal(seen, torch.cat([context, torch.zeros_like(context[:, :1])], 1))
    seen = flow.train()._embed(context)
    hidden = seen[:, 2] == 1
    assert float(hidden.double().mean()) == pytest.approx(0.25, abs=0.02)
    assert torch.equal(seen[~hidden, :2], context[~hidden])
    assert bool((seen[hidden] == torch.tensor([0.0, 0.0, 1.0])).all())
    never = _flow()
    assert torch.equal(never.train()._embed(context), context)


def test_a_file_keeps_it(tmp_path: Path) -> None:
    flow, context = _flow(drop_context=0.2, reversible=True).float(), torch.randn(3, 2)
    flow.save(tmp_path / "m.safetensors")
    again = diffeo.load(tmp_path / "m.safetensors")
    assert isinstance(again, TarFlow)
    guided = [f.sample_guided(2, context, 0.5, seed=0) for f in (flow, again)]
    assert torch.equal(*guided)


def test_a_short_fit_finds_how_patches_hang_together() -> None:
    generator = torch.Generator().manual_seed(0)

    def draw(rows: int) -> torch.Tensor:
        level = torch.randn(rows, 1, 1, 1, generator=generator)
        return level + 0.3 * torch.randn(rows, 1, 2, 2, generator=generator)

    flow = TarFlow((1, 2, 2), patch=1, blocks=2, layers=1, dim=16, heads=2, seed=0)
    flow.fit(draw(1000), epochs=12, lr=1e-2, batch_size=100, progress=False)
    covariance = torch.ones(4, 4) + 0.09 * torch.eye(4)
    truth = torch.distributions.MultivariateNormal(torch.zeros(4), covariance)
    x = draw(1000)
    # independent pixels would lose 3.1 nats
    with torch.no_grad():
        lost = truth.log_prob(x.flatten(1)).mean() - flow.log_prob(x).mean()
    assert float(lost) < 0.15
    found = torch.cov(flow.sample(4000, seed=0).flatten(1).T)
    assert float((found - covariance).abs().max()) < 0.2


def test_denoising_a_gaussian_is_its_posterior_mean() -> None:
    sigma, size = 0.7, 3
    root = torch.randn(size, size, dtype=torch.float64)
    clean, mean = root @ root.T, torch.randn(size, dtype=torch.float64)
    noisy = clean + sigma**2 * torch.eye(size, dtype=torch.float64)
    density = MultivariateNormal(size, loc=mean, covariance=noisy).double()
    y = torch.randn(5, size, dtype=torch.float64)
    expected = mean + (y - mean) @ torch.linalg.solve(noisy, clean)
    # the density was built in float32
    torch.testing.assert_close(denoise(density, y, sigma), expected, rtol=0, atol=1e-6)
    found = denoise(density, y.numpy(), sigma)
    assert isinstance(found, np.ndarray)
    np.testing.assert_allclose(found, expected.numpy(), rtol=0, atol=1e-6)
    assert torch.equal(denoise(density, y, 0.0), y)
    with pytest.raises(ValueError, match="finite number >= 0, got -1"):
        denoise(density, y, -1.0)


def test_denoising_a_tarflow_follows_its_score() -> None:
    flow, context = _flow(), torch.randn(3, 2, dtype=torch.float64)
    y = flow.sample((), context, seed=0)
    point = y.clone().requires_grad_()
    (score,) = torch.autograd.grad(flow.log_prob(point, context).sum(), point)
    found = denoise(flow, y, 0.1, context)
    torch.testing.assert_close(found, y + 0.01 * score, rtol=0, atol=1e-12)


def test_what_does_not_fit_is_named() -> None:
    with pytest.raises(ShapeError, match="28 x 28"):
        TarFlow((1, 28, 28), patch=5)
    with pytest.raises(ShapeError, match="channels, height, width"):
        TarFlow((28, 28))  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match="drop_context needs a model with context"):
        TarFlow((1, 8, 8), drop_context=0.1)
    with pytest.raises(ValueError, match="drop_context must be in"):
        TarFlow((1, 8, 8), context=2, drop_context=1.0)
    with pytest.raises(ShapeError, match="3 heads"):
        TarFlow((1, 8, 8), heads=3)
    with pytest.raises(ValueError, match="TarFlow needs a univariate from the reals to the reals"):
        TarFlow((1, 8, 8), univariate=diffeo.univariates.Exp())
    with pytest.raises(ContextError, match="never seen"):
        _flow().sample_guided(2, torch.zeros(2, dtype=torch.float64), 1.0)
