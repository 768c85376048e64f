"""Roots of increasing scalar functions: bracketed, and differentiable by the implicit function."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor
from torch._higher_order_ops.while_loop import while_loop

from diffeo.errors import ConvergenceWarning

__all__ = ["MOST_STEPS", "invert_increasing", "repeat_while", "warn_unless_converged"]

# x -> f(x) and log f'(x), element by element
Increasing = Callable[[Tensor], tuple[Tensor, Tensor]]
State = tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]
States = TypeVar("States", bound=tuple[Tensor, ...])

MOST_STEPS = 120


def invert_increasing(
    function: Increasing, y: Tensor, low: Tensor, high: Tensor, name: str
) -> tuple[Tensor, Tensor]:
    """The x with f(x) = y, element by element, and log |dx/dy|.

    Newton's method inside a shrinking bracket: a step that leaves the bracket, or that does not
    halve the step before, becomes a bisection, so that it always converges (Dekker's safeguard).
    One last Newton step carries the gradients to y and to whatever ``function`` depends on.

    Args:
        function: x to f(x) and log f'(x), increasing, of any shape.
        y: what it should give.
        low, high: of the shape of ``y``, with f(low) <= y <= f(high).
        name: whose inverse this is, for the warning.

    Warns:
        ConvergenceWarning: rows that have not converged (not under ``torch.compile``).
    """
    with torch.no_grad():
        # a traced loop wants its state apart, and in one layout
        target, start, end = (
            t.detach().clone(memory_format=torch.contiguous_format) for t in (y, low, high)
        )
        root = _bracketed(function, target, start, end, name)
    value, log_slope = function(root)
    x = root - (value - y) * torch.exp(-log_slope.detach())
    return x, -function(x)[1]


def _bracketed(function: Increasing, y: Tensor, low: Tensor, high: Tensor, name: str) -> Tensor:
    eps = torch.finfo(y.dtype).eps

    def unfinished(count: Tensor, *rest: Tensor) -> Tensor:
        return (count < MOST_STEPS) & ~rest[-1].all()

    def advance(
        count: Tensor, low: Tensor, high: Tensor, x: Tensor, step: Tensor, done: Tensor
    ) -> State:
        value, log_slope = (t.contiguous() for t in function(x))
        excess = value - y
        low = torch.where(excess <= 0, x, low)
        high = torch.where(excess >= 0, x, high)
        newton = x - excess * torch.exp(-log_slope)
        good = (newton >= low) & (newton <= high) & ((newton - x).abs() < step / 2)
        proposal = torch.where(good, newton, low + (high - low) / 2)
        moved = (proposal - x).abs()
        near = moved <= 2 * eps * (1 + x.abs())
        # a converged element stays, so that a row does not depend on the rest of its batch
        x = torch.where(done, x, proposal)
        return count + 1, low, high, x, moved, done | near | excess.isnan()

    start = low + (high - low) / 2
    state: State = (
        torch.zeros((), dtype=torch.int64, device=y.device),
        low,
        high,
        start,
        (high - low).abs() + 1,
        # an infinite bracket has no middle
        ~start.isfinite(),
    )
    state = repeat_while(unfinished, advance, state)
    warn_unless_converged(state[-1], name)
    return state[3]


def repeat_while(
    unfinished: Callable[..., Tensor], advance: Callable[..., States], state: States
) -> States:
    """``advance`` the state while it is ``unfinished``, as a loop that can be traced."""
    if torch.compiler.is_compiling():
        traced: States = while_loop(unfinished, advance, state)
        return traced
    while unfinished(*state):
        state = advance(*state)
    return state


def warn_unless_converged(done: Tensor, name: str) -> None:
    """Warn of the elements that are not ``done``, which eager code alone can see."""
    if not torch.compiler.is_compiling() and not bool(done.all()):
        warnings.warn(
            f"{name}: the inverse has not converged for {int((~done).sum())} of {done.numel()} "
            f"elements after {MOST_STEPS} steps",
            ConvergenceWarning,
            stacklevel=2,
        )
