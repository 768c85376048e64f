"""Stacks inside layers of reversible stacks, as the coarser scales of image flows are."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import diffeo
from diffeo.audit import perturbed


def glow(reversible: bool) -> diffeo.Glow:
    options: dict[str, Any] = {"scales": 3, "steps": 2, "hidden": 4, "context": 2}
    flow = diffeo.Glow((1, 8, 8), seed=0, reversible=reversible, **options).double()
    flow.embedding = nn.Identity()
    return perturbed(flow, seed=1)


@pytest.mark.parametrize("direction", ["forward", "inverse"])
def test_gradients_of_nested_scales_are_those_of_autograd(direction: str) -> None:
    generator = torch.Generator().manual_seed(0)
    context = torch.randn(3, 2, dtype=torch.float64, generator=generator)
    noise = torch.randn(3, 64, dtype=torch.float64, generator=generator)
    found: list[list[Tensor]] = []
    for reversible in (False, True):
        stack = glow(reversible).transform
        x = (noise if direction == "forward" else noise.view(3, 1, 8, 8)).requires_grad_()
        given = context.clone().requires_grad_()
        y, ladj = getattr(stack, direction)(x, given)
        loss = (y**3).sum() + (ladj**2).sum()
        found.append(list(torch.autograd.grad(loss, [x, given, *stack.parameters()])))
    for ordinary, recomputed in zip(*found, strict=True):
        torch.testing.assert_close(recomputed, ordinary, rtol=1e-8, atol=1e-8)


def test_no_scale_is_computed_more_than_twice() -> None:
    stack = glow(reversible=True).transform
    calls: Counter[str] = Counter()
    for name, module in stack.named_modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda *_, name=name: calls.update([name]))
    y, ladj = stack.inverse(torch.randn(3, 1, 8, 8).double(), torch.randn(3, 2).double())
    (y.sum() + ladj.sum()).backward()
    assert set(calls.values()) == {2}
