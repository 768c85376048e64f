"""Multi-scale flows of images: densities of samples, classes of sizes, files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import diffeo
from diffeo.audit import perturbed
from diffeo.errors import ShapeError

KINDS: list[tuple[Any, dict[str, Any]]] = [
    (diffeo.Glow, {"scales": 2, "steps": 2, "hidden": 8}),
    (diffeo.ImageRealNVP, {"scales": 2, "hidden": 8, "blocks": 1}),
    (diffeo.FlowPlusPlus, {"scales": 2, "hidden": 8, "blocks": 1, "couplings": 1, "components": 3}),
]


@pytest.mark.parametrize(("cls", "options"), KINDS)
def test_samples_have_the_density_that_they_were_drawn_with(
    cls: Any, options: dict[str, Any]
) -> None:
    flow = perturbed(cls((3, 8, 8), seed=0, **options))
    x, log_q = flow.rsample_and_log_prob(4, seed=0)
    assert x.shape == (4, 3, 8, 8)
    torch.testing.assert_close(flow.log_prob(x), log_q, atol=1e-3 * 192, rtol=0)


@pytest.mark.parametrize(("cls", "options"), KINDS)
def test_a_flow_of_images_comes_back_from_its_file(
    cls: Any, options: dict[str, Any], tmp_path: Path
) -> None:
    flow = cls((1, 8, 8), context=2, seed=0, **options)
    path = tmp_path / "model.safetensors"
    flow.save(path)
    x, context = torch.randn(3, 1, 8, 8), torch.randn(3, 2)
    again = diffeo.load(path)
    assert type(again) is cls
    torch.testing.assert_close(again.log_prob(x, context), flow.log_prob(x, context))


def test_half_of_the_channels_leave_after_each_scale() -> None:
    flow = diffeo.Glow((3, 32, 32), scales=3, steps=1, hidden=4)
    # sizes of what enters each scale: what is left of 3 x 32 x 32 after half is factored out
    split = next(m for m in flow.transform.modules() if type(m).__name__ == "Split")
    assert split.inner.in_shape == (3 * 32 * 32 // 2,)
    inner = next(m for m in split.inner.modules() if type(m).__name__ == "Split")
    assert inner.inner.in_shape == (3 * 32 * 32 // 4,)


@pytest.mark.parametrize("scales", [0, 3, True])
def test_scales_that_the_size_does_not_have(scales: int) -> None:
    with pytest.raises(ShapeError, match="from 1 to 2, since images of 28 x 28 can be halved 2"):
        diffeo.Glow((1, 28, 28), scales=scales)


def test_sides_that_cannot_be_halved() -> None:
    with pytest.raises(ShapeError, match="pad or crop them"):
        diffeo.Glow((1, 7, 8), scales=1)


def test_a_reversible_glow_trains_as_an_ordinary_one() -> None:
    x = torch.randn(8, 1, 8, 8)
    losses = []
    for reversible in (False, True):
        flow = diffeo.Glow((1, 8, 8), scales=2, steps=2, hidden=8, seed=0, reversible=reversible)
        flow.fit(x.repeat(4, 1, 1, 1), validation=None, epochs=3, batch_size=8, progress=False)
        losses.append([epoch["train"] for epoch in flow.record["history"]])
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_pixels_have_neighbours() -> None:
    """Of stripes, much more is learned than independent pixels have."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(700, 1, 8, 1, generator=generator).expand(-1, -1, -1, 8)
    x = rows + 0.1 * torch.randn(700, 1, 8, 8, generator=generator)
    flow = diffeo.Glow((1, 8, 8), scales=2, steps=2, hidden=16, seed=0)
    flow.fit(x[:600], epochs=10, batch_size=50, lr=5e-3, progress=False)
    independent = torch.distributions.Normal(0, 1.01**0.5).log_prob(x[600:]).sum((1, 2, 3))
    assert flow.log_prob(x[600:]).mean() > independent.mean() + 20
