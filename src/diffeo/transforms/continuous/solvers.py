"""Solvers of ordinary differential equations: fixed steps of our own, adaptive ones of torchdiffeq.

A state is a tensor (*batch, numbers), each row with an equation of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, get_args

import torch
from torch import Tensor

from diffeo.errors import SolverError, import_extra

__all__ = ["ADAPTIVE", "FIXED", "Rate", "Solver", "adaptively", "in_steps"]

# time () and state (*batch, numbers) to the state's derivative
Rate = Callable[[Tensor, Tensor], Tensor]

Fixed = Literal["euler", "midpoint", "rk4"]
Adaptive = Literal["dopri5", "dopri8", "bosh3", "adaptive_heun"]
Solver = Fixed | Adaptive
# evaluations a step
FIXED = {"euler": 1, "midpoint": 2, "rk4": 4}
ADAPTIVE: tuple[str, ...] = get_args(Adaptive)

MOST_STEPS = 10_000
# the smallest tolerance, in units of rounding
LEAST = 8


def in_steps(
    rate: Rate, state: Tensor, start: float, end: float, solver: str, steps: int
) -> Tensor:
    """The state at ``end``, by equal steps: Euler's (an error of order 1 / steps), the midpoint
    rule's (2) or the classical ones of Runge and Kutta (4).
    """
    step = (end - start) / steps
    advance = {"euler": _euler, "midpoint": _midpoint, "rk4": _rk4}[solver]

    def at(time: float, point: Tensor) -> Tensor:
        return rate(torch.full((), time, dtype=point.dtype, device=point.device), point)

    for i in range(steps):
        state = state + step * advance(at, start + i * step, state, step)
    return state


_At = Callable[[float, Tensor], Tensor]


def _euler(at: _At, t: float, state: Tensor, _: float) -> Tensor:
    return at(t, state)


def _midpoint(at: _At, t: float, state: Tensor, step: float) -> Tensor:
    return at(t + step / 2, state + step / 2 * at(t, state))


def _rk4(at: _At, t: float, state: Tensor, step: float) -> Tensor:
    first = at(t, state)
    second = at(t + step / 2, state + step / 2 * first)
    third = at(t + step / 2, state + step / 2 * second)
    fourth = at(t + step, state + step * third)
    return (first + 2 * second + 2 * third + fourth) / 6


def adaptively(
    rate: Rate,
    state: Tensor,
    start: float,
    end: float,
    solver: str,
    tolerance: float,
    adjoint: Sequence[Tensor] | None = None,
) -> Tensor:
    """The state at ``end``, by steps whose error is at most tolerance (1 + |state|) in every row.

    A row that is not finite becomes NaN. A tolerance that the dtype cannot reach is widened.

    Args:
        rate: the derivative.
        state: (*batch, numbers) at ``start``.
        start, end: times.
        solver: a method of torchdiffeq.
        tolerance: absolute and relative.
        adjoint: the tensors to which gradients come by the adjoint equation, solved backwards;
            None differentiates the steps.

    Raises:
        MissingExtraError: torchdiffeq is not installed.
        SolverError: the steps become too small, or too many.
    """
    torchdiffeq = import_extra("torchdiffeq", "continuous")
    if not state.numel():
        return state
    # one such row would decide the steps of all
    good = state.isfinite().all(-1, keepdim=True)
    tolerance = max(tolerance, LEAST * torch.finfo(state.dtype).eps)
    given = {
        "rtol": tolerance,
        "atol": tolerance,
        "method": solver,
        "options": {"norm": _worst_row, "max_num_steps": MOST_STEPS},
    }
    points = (rate, torch.where(good, state, 0.0), state.new_tensor([start, end]))
    try:
        if adjoint is None:
            path = torchdiffeq.odeint(*points, **given)
        else:
            path = torchdiffeq.odeint_adjoint(*points, **given, adjoint_params=tuple(adjoint))
    except AssertionError as error:
        raise SolverError(
            f"the solver {solver!r} does not reach its tolerance {tolerance:.1e} in "
            f"{state.dtype} ({error}); the field is too steep: widen the "
            f"tolerance, or take float64 or the solver 'rk4'"
        ) from error
    return torch.where(good, path[-1], torch.nan)


def _worst_row(error: Tensor) -> Tensor:
    """So that no row pays for being among many others."""
    return error.square().mean(-1).amax().sqrt()
