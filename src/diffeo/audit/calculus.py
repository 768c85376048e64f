"""Independent calculus: Jacobians by plain autograd, gradients, errors relative to a magnitude."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from diffeo.errors import ShapeError

__all__ = ["autograd_ladj", "bad_gradients", "event_error", "quantile", "relative"]

EPS32 = torch.finfo(torch.float32).eps


def autograd_ladj(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """log |det dy/dx| of each row of ``x`` (rows, *event), from the full Jacobian.

    Raises:
        ShapeError: if events of input and output differ in their number of elements.
    """
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        y = function(x).flatten(1)
        if y.shape[1] != x[0].numel():
            raise ShapeError(f"the Jacobian is not square: {x[0].numel()} in, {y.shape[1]} out")
        rows = [
            torch.autograd.grad(column.sum(), x, retain_graph=True, materialize_grads=True)[0]
            for column in y.unbind(1)
        ]
    jacobian = torch.stack([row.flatten(1) for row in rows], dim=1)
    return torch.linalg.slogdet(jacobian).logabsdet


def bad_gradients(
    loss: Tensor, inputs: dict[str, Tensor | None], modules: Iterable[nn.Module]
) -> list[str]:
    """Names of the inputs and parameters whose gradient of ``loss`` is not finite."""
    named = {name: tensor for name, tensor in inputs.items() if tensor is not None}
    for module in modules:
        named |= {n: p for n, p in module.named_parameters() if p.requires_grad}
    if not loss.requires_grad:
        return []
    gradients = torch.autograd.grad(loss, list(named.values()), allow_unused=True)
    return [
        name
        for name, gradient in zip(named, gradients, strict=True)
        if gradient is not None and not bool(gradient.isfinite().all())
    ]


def relative(found: Tensor, expected: Tensor) -> Tensor:
    """|found - expected| / (1 + |expected|)."""
    expected = expected.to(found.dtype) if found.dtype == torch.float64 else expected
    return (found - expected).abs() / (1 + expected.abs())


def event_error(found: Tensor, expected: Tensor) -> Tensor:
    """``relative``, and the largest of it over each event of (rows, *event)."""
    error = relative(found, expected).flatten(1)
    return error.max(1).values if error.shape[1] else error.sum(1)


def quantile(error: Tensor, q: float = 0.999) -> float:
    """The q-th quantile; NaN if any error is."""
    return float(error.quantile(q)) if not bool(error.isnan().any()) else float("nan")
