"""Gradients of one layer from a graph that lives only as long as the layer needs it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["Layer", "Pulled", "gradients", "pull_back"]

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
