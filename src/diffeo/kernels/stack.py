"""Stacks of layers as one fused pass forward and one backward, each beside its plain reference."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.module import _has_any_global_hook

from diffeo.kernels.library import Request, available, run_stack, stack_saves
from diffeo.kernels.steps import Step
from diffeo.pullback import allowed_drift, distance, warn_of_drift

__all__ = ["plain", "run", "unwatched", "usable"]

# what the kernels are asked for
_RUN, _RUN_AND_KEEP, _BACK, _BACK_BY_INVERSION = range(4)
# pointers that stand between the six sizes and the steps, and where that of what is kept stands
_PLACES = 10
_SAVED = 6 + 4

_switched_off = False


@contextlib.contextmanager
def plain() -> Iterator[None]:
    """Within it, no kernel is used: everything runs as plain PyTorch."""
    global _switched_off
    before, _switched_off = _switched_off, True
    try:
        yield
    finally:
        _switched_off = before


def unwatched(*modules: nn.Module) -> bool:
    """Whether no hook wants to see these modules called, so that a kernel may stand for them."""
    for m in modules:
        if m._forward_hooks or m._forward_pre_hooks or m._backward_hooks or m._backward_pre_hooks:
            return False
    return True


def usable(x: Tensor) -> bool:
    """Whether kernels can take ``x``: float32 on the CPU, and nothing watches the operations."""
    if torch.compiler.is_compiling() or _switched_off or not available():
        return False
    return (
        x.dtype is torch.float32
        and x.device.type == "cpu"
        and type(x) in (Tensor, torch.nn.Parameter)
        and x.numel() > 0
        and not torch.is_autocast_enabled("cpu")
        and not torch._C._get_tracing_state()
        and not torch._C._are_functorch_transforms_active()
        and torch.autograd.forward_ad._current_level < 0
        and not _has_any_global_hook()
        # counters of operations, fake tensors
        and torch._C._len_torch_dispatch_stack() == 0
    )


def run(
    steps: Sequence[Step] | None,
    x: Tensor,
    context: Tensor | None,
    *,
    reversible: bool = False,
) -> tuple[Tensor, Tensor] | None:
    """``y`` and ``ladj`` of the steps one after another, or None where kernels cannot run them.

    Args:
        steps: what to run; None where a layer has no kernel.
        x: (*batch, D), for which ``usable`` is true.
        context: broadcasts against the batch.
        reversible: backward finds what lies between the steps from the output.
    """
    if not steps:
        return None
    width = max(step.reads() for step in steps)
    if width and (context is None or context.shape[-1] != width):
        return None  # the plain code says what is wrong
    parameters = [p for step in steps for p in step.parameters]
    read = [context] if width and context is not None else []
    for t in read:
        if t.dtype is not torch.float32 or not t.is_cpu:
            return None
    for p in parameters:
        # kernels read memory in order; a copy would not be the layer's own parameter
        if p.dtype is not torch.float32 or not p.is_cpu or not p.is_contiguous():
            return None
    batch = x.shape[:-1]
    for given in read:
        try:
            batch = torch.broadcast_shapes(batch, given.shape[:-1])
        except RuntimeError:
            return None
    rows, *contexts = (
        t.expand(*batch, -1).reshape(-1, t.shape[-1]).contiguous() for t in (x, *read)
    )
    context = contexts[0] if contexts else None
    if torch.is_grad_enabled() and _any_wants_gradient(rows, context, *parameters):
        y, ladj = _Stack.apply(steps, reversible, rows, context, *parameters)
    else:
        y, ladj, _ = _forward(steps, rows, context, parameters, keep=False)
    return y.reshape(*batch, -1), ladj.reshape(batch)


def _describe(
    mode: int,
    steps: Sequence[Step],
    parameters: Sequence[Tensor],
    gradients: Sequence[Tensor] | None,
    places: Sequence[Tensor | None],
) -> Request:
    """What is asked of the kernels.

    Args:
        mode: which pass.
        steps: the layers.
        parameters: theirs, in order.
        gradients: where their gradients go.
        places: x, context, y, ladj, what is kept, and what else the pass reads and writes.
    """
    x, context = places[:2]
    assert x is not None
    width = 0 if context is None else context.shape[1]
    words = [*x.shape, width, len(steps), torch.get_num_threads(), mode]
    words += (0 if t is None else t.data_ptr() for t in places)
    words += [0] * (_PLACES - len(places))
    numbers: list[float] = []
    values = map(Tensor.data_ptr, parameters)
    targets = repeat(0) if gradients is None else map(Tensor.data_ptr, gradients)
    for step in steps:
        words += step.words(values, targets)
        numbers += step.numbers()
    return Request(words, numbers)


def _any_wants_gradient(*tensors: Tensor | None) -> bool:
    return any(t is not None and t.requires_grad for t in tensors)


def _forward(
    steps: Sequence[Step],
    x: Tensor,
    context: Tensor | None,
    parameters: Sequence[Tensor],
    *,
    keep: bool,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """``y``, ``ladj`` and what the backward pass needs."""
    y, ladj = torch.empty_like(x), x.new_empty(len(x))
    mode = _RUN_AND_KEEP if keep else _RUN
    asked = _describe(mode, steps, parameters, None, (x, context, y, ladj))
    saved = None
    if keep:
        saved = x.new_empty(stack_saves(asked))
        asked.words[_SAVED] = saved.data_ptr()
    run_stack(asked)
    return y, ladj, saved


class _Stack(torch.autograd.Function):
    """Backward goes by what forward kept, or, reversibly, by what the output tells."""

    @staticmethod
    def forward(
        ctx: Any,
        steps: Sequence[Step],
        reversible: bool,
        x: Tensor,
        context: Tensor | None,
        *parameters: Tensor,
    ) -> tuple[Tensor, Tensor]:
        y, ladj, saved = _forward(steps, x, context, parameters, keep=not reversible)
        ctx.steps, ctx.reversible = steps, reversible
        ctx.save_for_backward(x, context, y if reversible else saved, *parameters)
        return y, ladj

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Any, ...]:
        x, context, kept, *parameters = ctx.saved_tensors
        if torch.is_grad_enabled():
            found = _plain_gradients(ctx.steps, x, context, parameters, upstream)
        elif ctx.reversible:
            found = _from_output(ctx.steps, x, context, parameters, upstream, kept)
        else:
            found = _backward(ctx.steps, x, context, parameters, upstream, saved=kept).all
        return None, None, *found


def _from_output(
    steps: Sequence[Step],
    x: Tensor,
    context: Tensor | None,
    parameters: Sequence[Tensor],
    upstream: Sequence[Tensor],
    y: Tensor,
) -> tuple[Any, ...]:
    """Gradients from the output, or where that is not exact enough, from a second forward pass."""
    found = _backward(steps, x, context, parameters, upstream, y=y)
    drift = float(distance(found.recovered, x))
    if drift <= allowed_drift(x.dtype):
        return found.all
    warn_of_drift(drift, x.dtype, f"{len(steps)} layers ran as one")
    saved = _forward(steps, x, context, parameters, keep=True)[2]
    return _backward(steps, x, context, parameters, upstream, saved=saved).all


class _Found(NamedTuple):
    """Gradients of x, context and parameters, and the input that backward came back to."""

    all: tuple[Any, ...]
    recovered: Tensor | None


def _backward(
    steps: Sequence[Step],
    x: Tensor,
    context: Tensor | None,
    parameters: Sequence[Tensor],
    upstream: Sequence[Tensor],
    *,
    saved: Tensor | None = None,
    y: Tensor | None = None,
) -> _Found:
    """Gradients from what forward kept (``saved``), or from its output ``y``."""
    gy, gl = (g.contiguous() for g in upstream)
    gradients = [torch.empty_like(p) for p in parameters]
    gx = torch.empty_like(x)
    g_context = None if context is None else torch.empty_like(context)
    recovered = None if y is None else torch.empty_like(x)
    places = (x, context, y, None, saved, gy, gl, gx, g_context, recovered)
    mode = _BACK if y is None else _BACK_BY_INVERSION
    run_stack(_describe(mode, steps, parameters, gradients, places))
    return _Found((gx, g_context, *gradients), recovered)


def _plain_gradients(
    steps: Sequence[Step],
    x: Tensor,
    context: Tensor | None,
    parameters: Sequence[Tensor],
    upstream: Sequence[Tensor],
) -> tuple[Any, ...]:
    """Gradients that can be differentiated again, by way of the plain reference.

    Raises:
        RuntimeError: layers have other parameters now than they had in forward.
    """
    now = [p for step in steps for p in step.current()]
    if [p.data_ptr() for p in now] != [p.data_ptr() for p in parameters]:
        raise RuntimeError(
            "second derivatives of layers whose parameters were exchanged after the forward pass "
            "(by torch.func.functional_call, for example); run it inside diffeo.kernels.plain()"
        )
    y, ladj = x, x.new_zeros(len(x))
    for step in steps:
        y, more = step.plain(y, context)
        ladj = ladj + more
    inputs = [x, context, *parameters]
    wanted = [t for t in inputs if t is not None and t.requires_grad]
    found = iter(
        torch.autograd.grad((y, ladj), wanted, upstream, create_graph=True, materialize_grads=True)
    )
    gx, g_context, *rest = (
        next(found) if t is not None and t.requires_grad else None for t in inputs
    )
    return gx, g_context, *rest
