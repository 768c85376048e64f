"""Runs a stack of transforms without keeping what lies between its layers.

Backward goes through the stack from its output: a lossless layer gives back its input, any other
has had its input kept; a graph lives only for the layer at hand. What comes out at the start is
compared with what went in, and where they differ, backward starts again from the inputs of all
layers, so that gradients are right in any case.

Reference: "The Reversible Residual Network: Backpropagation Without Storing Activations", Gomez,
Ren, Urtasun, Grosse, 2017, arXiv:1707.04585.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from diffeo.checks import check_batch
from diffeo.errors import ReversibilityError
from diffeo.pullback import (
    Pulled,
    allowed_drift,
    distance,
    gradients,
    pull_back,
    warn_of_drift,
)
from diffeo.transform import Transform
from diffeo.transforms.batch_norm import BatchNorm
from diffeo.transforms.fused import Directed, run_fused_reversibly, run_in_turn

__all__ = ["can_recompute", "pull_back_in_turn", "run_reversibly"]

# in training these depend on more than their input, or change
_STATEFUL = (nn.modules.batchnorm._NormBase, nn.modules.dropout._DropoutNd, BatchNorm)

Pair = tuple[Tensor, Tensor]


def _repeatable(step: Directed) -> bool:
    """Whether a second run gives what the first one gave, and changes nothing."""
    return step.layer.exactness == "exact" and not any(
        isinstance(m, _STATEFUL) and m.training for m in step.layer.modules()
    )


def can_recompute(stack: Transform, x: Tensor, context: Tensor | None) -> bool:
    """Whether a backward pass may follow that can recompute.

    A compiler decides for itself what to recompute, and the transforms of torch.func go their own
    ways through a graph.
    """
    if torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active():
        return False
    inputs = itertools.chain((x,) if context is None else (x, context), stack.parameters())
    return torch.is_grad_enabled() and any(t.requires_grad for t in inputs)


def run_reversibly(
    stack: Transform, steps: Sequence[Directed], x: Tensor, context: Tensor | None
) -> Pair:
    """As ``run_in_turn``, for a backward pass that recomputes.

    Args:
        stack: what the steps are made of.
        steps: its layers in the order in which they run.
        x: (*batch, *shape).
        context: (*batch, context), broadcast against the batch of ``x``.
    """
    x = _expanded(steps, x, context)
    fused = run_fused_reversibly(steps, x, context)
    if fused is not None:
        return fused
    ladjs: list[Tensor] = []
    for repeatable, some in itertools.groupby(steps, _repeatable):
        if repeatable:
            part = _Part(stack, list(some), x.device.type)
            x, ladj = _Recomputed.apply(part, x, context, *part.parameters)
        else:
            x, ladj = run_in_turn(list(some), x, context)
        ladjs.append(ladj)
    return x, functools.reduce(torch.add, ladjs)


def pull_back_in_turn(
    steps: Sequence[Directed],
    output: Tensor,
    context: Tensor | None,
    grads: Sequence[Tensor],
    wanted: Sequence[Tensor],
) -> Pulled:
    """As ``Transform.pull_back``, of lossless steps one after another, from the last to the first.

    So a stack inside a layer of a reversible stack needs the memory of one of its layers, and runs
    as often as those beside it.
    """
    grad, grad_ladj = grads
    sums: dict[Tensor, Tensor] = {}
    for step in reversed(steps):
        own = set(step.layer.parameters())
        some = [t for t in wanted if t in own or t is context]
        pulled = step.layer.pull_back(
            output, context, (grad, grad_ladj), some, inverted=step.inverted
        )
        _add(sums, some, pulled.others)
        output, grad = pulled.input, pulled.grad
    return Pulled(output, None, grad, [sums.get(t) for t in wanted])


def _add(
    sums: dict[Tensor, Tensor], leaves: Sequence[Tensor], found: Sequence[Tensor | None]
) -> None:
    for leaf, grad in zip(leaves, found, strict=True):
        if grad is not None:
            sums[leaf] = sums[leaf] + grad if leaf in sums else grad


def _expanded(steps: Sequence[Directed], x: Tensor, context: Tensor | None) -> Tensor:
    """``x`` with the batch that the output will have, so that every layer's input has it."""
    first = steps[0].layer
    shape = first.out_shape if steps[0].inverted else first.in_shape
    reads = next((step.layer for step in steps if step.layer.context), first)
    return check_batch(reads, x, context, shape, reads.context)


class _Gradients(NamedTuple):
    """What backward finds, and how far the recovered input is from the true one."""

    x: Tensor
    leaves: dict[Tensor, Tensor]
    drift: float


class _Part:
    """Steps of repeatable layers, the parameters that forward saw, and its precision."""

    def __init__(self, stack: Transform, steps: Sequence[Directed], device: str) -> None:
        self.stack = stack
        self.steps = steps
        # a parameter may have several places, and a place may be reached through several layers
        self.places: dict[tuple[nn.Module, str], Tensor] = {
            (module, name): parameter
            for step in steps
            for module in step.layer.modules()
            for name, parameter in module._parameters.items()
            if parameter is not None and parameter.requires_grad
        }
        self.parameters = list(dict.fromkeys(self.places.values()))
        self.precision = functools.partial(
            torch.autocast,
            device,
            dtype=torch.get_autocast_dtype(device),
            enabled=torch.is_autocast_enabled(device),
            # a weight cast without a graph must not be found again where one is wanted
            cache_enabled=False,
        )

    @contextmanager
    def using(self, parameters: Sequence[Tensor]) -> Iterator[None]:
        """Forward's precision, and others in the place of its parameters.

        These are leaves of backward alone: neither hooks of the parameters nor what lies before
        them in a graph sees a gradient twice.
        """
        others = dict(zip(self.parameters, parameters, strict=True))
        now = {(module, name): module._parameters[name] for module, name in self.places}
        try:
            for (module, name), given in self.places.items():
                module._parameters[name] = others[given]  # type: ignore[assignment]
            with self.precision():
                yield
        finally:
            for (module, name), before in now.items():
                module._parameters[name] = before

    def run_keeping(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Event, ladj, and the inputs of the layers that are not lossless."""
        kept: list[Tensor] = []
        total = x.new_zeros(())
        for step in self.steps:
            if not step.layer.lossless:
                kept.append(x)
            x, ladj = step(x, context)
            total = total + ladj
        return x, total, kept

    def numbered(self, kept: Sequence[Tensor]) -> dict[int, Tensor]:
        """What ``run_keeping`` kept, by the number of its layer."""
        numbers = (i for i, step in enumerate(self.steps) if not step.layer.lossless)
        return dict(zip(numbers, kept, strict=True))

    def pull_back(
        self,
        output: Tensor,
        x: Tensor,
        context: Tensor | None,
        grads: Sequence[Tensor],
        kept: Mapping[int, Tensor],
    ) -> _Gradients:
        """Gradients from the last layer to the first.

        Args:
            output: what the last layer gave.
            x: what the first one was given.
            context: a leaf, or None.
            grads: gradients to the output and to the sum of the ladj.
            kept: inputs of layers by their number; those of all the others are recovered.
        """
        grad, grad_ladj = grads
        sums: dict[Tensor, Tensor] = {}
        drifts: list[Tensor] = []
        for i in range(len(self.steps) - 1, -1, -1):
            step, start = self.steps[i], kept.get(i)
            wanted: list[Tensor] = [p for p in step.layer.parameters() if p.requires_grad]
            if context is not None and context.requires_grad:
                wanted.append(context)
            if start is None:
                pulled = step.layer.pull_back(
                    output, context, (grad, grad_ladj), wanted, inverted=step.inverted
                )
            else:
                pulled = pull_back(step, start, context, (grad, grad_ladj), wanted)
                drifts.append(distance(pulled.output, output))
            _add(sums, wanted, pulled.others)
            output, grad = pulled.input, pulled.grad
        if 0 not in kept:
            drifts.append(distance(output, x))
        return _Gradients(grad, sums, float(torch.stack(drifts).amax()))

    @torch.no_grad()
    def inputs(self, x: Tensor, context: Tensor | None) -> tuple[dict[int, Tensor], str]:
        """Every layer's input, and which lossless layer gives its own back with fewest digits."""
        found: dict[int, Tensor] = {}
        worst, culprit = -1.0, self.steps[0]
        for i, step in enumerate(self.steps):
            found[i] = x
            y, _ = step(x, context)
            if step.layer.lossless:
                error = float(distance(step.back(y, context)[0], x))
                if not error <= worst:
                    worst, culprit = error, step
            x = y
        return found, self._name(culprit)

    def _name(self, step: Directed) -> str:
        name = next(name for name, m in self.stack.named_modules() if m is step.layer)
        return f"{name} ({type(step.layer).__name__})"


class _Recomputed(torch.autograd.Function):
    """A part whose backward keeps its output, and what its layers cannot give back."""

    @staticmethod
    def forward(
        ctx: Any, part: _Part, x: Tensor, context: Tensor | None, *parameters: Tensor
    ) -> Pair:
        with part.precision():
            y, ladj, kept = part.run_keeping(x, context)
        ctx.part = part
        ctx.save_for_backward(x, context, y, *parameters, *kept)
        return y, ladj

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        part: _Part = ctx.part
        x, context, y, *rest = ctx.saved_tensors
        parameters, kept = rest[: len(part.parameters)], rest[len(part.parameters) :]
        if torch.is_grad_enabled():
            return None, *_differentiable(part, x, context, parameters, grads)
        leaves = [p.detach().requires_grad_() for p in parameters]
        if context is not None:
            context = context.detach().requires_grad_(context.requires_grad)
        with part.using(leaves):
            found = _checked(part, y, x, context, grads, part.numbered(kept))
        return None, found.x, *(t if t is None else found.leaves.get(t) for t in (context, *leaves))


def _checked(
    part: _Part,
    y: Tensor,
    x: Tensor,
    context: Tensor | None,
    grads: Sequence[Tensor],
    kept: Mapping[int, Tensor],
) -> _Gradients:
    """Gradients from the output, or where that is not exact enough, from all inputs."""
    tolerance = allowed_drift(x.dtype)
    found = part.pull_back(y, x, context, grads, kept)
    if found.drift <= tolerance:
        return found
    inputs, name = part.inputs(x, context)
    again = part.pull_back(y, x, context, grads, inputs)
    if not again.drift <= tolerance:
        raise ReversibilityError(
            "a layer of a reversible Sequential gave another output in backward than in forward "
            f"(by {again.drift:.1e} of 1 + its size), so it is random, or it was changed in "
            "between; use reversible=False"
        )
    warn_of_drift(found.drift, x.dtype, f"the least exact one is {name}")
    return again


def _differentiable(
    part: _Part,
    x: Tensor,
    context: Tensor | None,
    parameters: Sequence[Tensor],
    grads: Sequence[Tensor],
) -> list[Tensor | None]:
    """Gradients that have a graph of their own, by autograd's own graph of the steps."""
    # views, so that no gradient goes by what lies before the part
    start, *views = (t.view_as(t) for t in (x, *parameters))
    seen = None if context is None else context.view_as(context)
    with part.using(views):
        outputs = run_in_turn(part.steps, start, seen)
    inputs = [start, seen, *views]
    wanted = [t for t in inputs if t is not None and t.requires_grad]
    found = iter(gradients(outputs, wanted, grads, differentiable=True))
    return [next(found) if t is not None and t.requires_grad else None for t in inputs]
