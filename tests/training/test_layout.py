"""Convolutions with channels innermost give the same densities."""

from __future__ import annotations

import torch

import diffeo
from diffeo.audit import perturbed
from diffeo.training.layout import channels_last


def test_the_layout_changes_no_density() -> None:
    flow = perturbed(diffeo.Glow((3, 8, 8), scales=2, steps=1, hidden=8, seed=0)).double()
    x = torch.randn(4, 3, 8, 8, dtype=torch.float64)
    before = flow.log_prob(x)
    channels_last(flow)
    convolutions = [m for m in flow.modules() if isinstance(m, torch.nn.Conv2d)]
    assert any(m.weight.shape[1] > 1 and m.weight.shape[2] > 1 for m in convolutions)
    for module in convolutions:
        assert module.weight.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(flow.log_prob(x), before, rtol=0, atol=1e-9)
    assert flow.sample(2, seed=0).shape == (2, 3, 8, 8)


def test_a_model_in_that_layout_is_saved_and_read(tmp_path) -> None:
    flow = diffeo.Glow((1, 8, 8), scales=2, steps=1, hidden=8, seed=0)
    channels_last(flow)
    flow.save(tmp_path / "m.safetensors")
    x = torch.randn(3, 1, 8, 8)
    again = diffeo.load(tmp_path / "m.safetensors")
    torch.testing.assert_close(again.log_prob(x), flow.log_prob(x), rtol=0, atol=1e-3)
