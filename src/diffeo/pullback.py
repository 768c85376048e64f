"""Gradients of one layer from a graph that lives only as long as the layer needs it."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from diffeo.errors import ReversibilityWarning

__all__ = [
    "Layer",
    "Pulled",
    "allowed_drift",
    "distance",
    "gradients",
    "pull_back",
    "warn_of_drift",
]

# one direction of a transform: event and context to event and ladj
Layer = Callable[[Tensor, Tensor | None], tuple[Tensor, Tensor]]


class Pulled(NamedTuple):
    """What a layer's output and the gradients to it tell of its input.

    Attributes:
        input: the layer's input.
        output: its output, computed again; None where nothing computed it again.
        grad: the gradient to the input.
        others: the gradients to whatever else was asked for; None where it has no influence.
    """

    input: Tensor
    output: Tensor | None
    grad: Tensor
    others: list[Tensor | None]


def gradients(
    outputs: Sequence[Tensor],
    inputs: Sequence[Tensor],
    grads: Sequence[Tensor],
    *,
    keep: bool = False,
    differentiable: bool = False,
) -> list[Tensor | None]:
    """Gradients to ``inputs``, given those to ``outputs``; None where there is no influence.

    ``keep`` leaves the graph for another call; ``differentiable`` gives the gradients one as well.
    """
    pairs = [(out, grad) for out, grad in zip(outputs, grads, strict=True) if out.requires_grad]
    if not pairs or not inputs:
        return [None] * len(inputs)
    depending, given = zip(*pairs, strict=True)
    found = torch.autograd.grad(
        depending,
        inputs,
        given,
        retain_graph=keep or differentiable,
        create_graph=differentiable,
        allow_unused=True,
    )
    return list(found)


def pull_back(
    layer: Layer,
    x: Tensor,
    context: Tensor | None,
    grads: Sequence[Tensor],
    wanted: Sequence[Tensor],
) -> Pulled:
    """Gradients of ``layer`` at ``x``, given those to its event and its ladj.

    Args:
        layer: one direction of a transform.
        x: its input.
        context: its context.
        grads: gradients to what it returns.
        wanted: leaves that want a gradient besides ``x``.
    """
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        y, ladj = layer(leaf, context)
    grad, *others = gradients((y, ladj), (leaf, *wanted), grads)
    return Pulled(x, y.detach(), torch.zeros_like(x) if grad is None else grad, others)


def distance(found: Tensor | None, true: Tensor) -> Tensor:
    """The largest |found - true| / (1 + |true|)."""
    assert found is not None
    if not true.numel():
        return true.new_zeros(())
    return ((found - true).abs() / (1 + true.abs())).amax()


def allowed_drift(dtype: torch.dtype) -> float:
    """How far a recovered input may be from the true one: half the digits."""
    return math.sqrt(torch.finfo(dtype).eps)


def warn_of_drift(drift: float, dtype: torch.dtype, culprit: str) -> None:
    """Say that recovered inputs were not exact enough and gradients went another way."""
    warnings.warn(
        f"the layers of a reversible Sequential gave back its input with an error of {drift:.1e} "
        f"of 1 + its size, where {allowed_drift(dtype):.1e} is allowed; {culprit}. Gradients were "
        f"computed from the inputs of all layers instead, which takes more memory and time; if "
        f"this comes often, use float64 or reversible=False",
        ReversibilityWarning,
        stacklevel=3,
    )
