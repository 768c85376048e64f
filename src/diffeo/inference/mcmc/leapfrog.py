"""Hamiltonian trajectories of many chains side by side."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from diffeo.errors import TargetError

__all__ = [
    "LogDensity",
    "State",
    "Trajectory",
    "choose",
    "kinetic",
    "trajectory",
    "with_gradient",
]

# (chains, dim) to (chains,), each row from itself alone
LogDensity = Callable[[Tensor], Tensor]


class State(NamedTuple):
    """Position (chains, dim), its log-density (chains,) and the gradient (chains, dim)."""

    position: Tensor
    log_prob: Tensor
    gradient: Tensor


class Trajectory(NamedTuple):
    """Where it ends: state, momentum (chains, dim), and (chains,) whether it broke off."""

    state: State
    momentum: Tensor
    broken: Tensor


def with_gradient(log_prob: LogDensity, position: Tensor) -> State:
    """The state at a position.

    Raises:
        TargetError: ``log_prob`` does not give one number for each row, or no gradient.
    """
    with torch.enable_grad():
        x = position.detach().requires_grad_()
        value = log_prob(x)
        shape = tuple(value.shape) if isinstance(value, Tensor) else f"{value!r:.60}"
        if shape != (len(x),):
            raise TargetError(
                f"log_prob must map points {tuple(x.shape)} to one number a row, ({len(x)},), but "
                f"it gives {shape}"
            )
        if not value.requires_grad:
            raise TargetError(
                "log_prob gives values without a gradient: they do not depend on its argument, or "
                "were computed outside torch or under no_grad"
            )
        (gradient,) = torch.autograd.grad(value.sum(), x, materialize_grads=True)
    return State(position.detach(), value.detach().to(position.dtype), gradient)


def kinetic(momentum: Tensor) -> Tensor:
    """Kinetic energy |p|^2 / 2, (chains,)."""
    return momentum.square().sum(-1) / 2


def trajectory(
    gradient: Callable[[Tensor], State],
    start: State,
    momentum: Tensor,
    step: float,
    steps: int,
    scale: Tensor,
) -> Trajectory:
    """Leapfrog steps of H(x, p) = -log p(x) + |p|^2 / 2 in units of ``scale``:

        p <- p + (e / 2) s grad log p(x),   x <- x + e s p,   p <- p + (e / 2) s grad log p(x).

    A chain whose log-density or gradient ceases to be finite breaks off: it stays at its last good
    state, so that ``gradient`` is never asked at a point that is not finite.

    Args:
        gradient: position to state.
        start: where it starts; all finite.
        momentum: (chains, dim), standard normal.
        step, steps: e, and how many.
        scale: (dim,), s.
    """
    state = start
    broken = torch.zeros_like(start.log_prob, dtype=torch.bool)
    for _ in range(steps):
        half = momentum + step / 2 * scale * state.gradient
        position = state.position + step * scale * half
        good = position.isfinite().all(-1) & ~broken
        new = gradient(torch.where(good.unsqueeze(-1), position, state.position))
        good &= new.log_prob.isfinite() & new.gradient.isfinite().all(-1)
        momentum = torch.where(good.unsqueeze(-1), half + step / 2 * scale * new.gradient, momentum)
        state = choose(good, new, state)
        broken = ~good
        if broken.all():
            break
    return Trajectory(state, momentum, broken)


def choose(chosen: Tensor, a: State, b: State) -> State:
    """``a`` for the chains (chains,) that are chosen, else ``b``."""
    rows = chosen.unsqueeze(-1)
    return State(
        torch.where(rows, a.position, b.position),
        torch.where(chosen, a.log_prob, b.log_prob),
        torch.where(rows, a.gradient, b.gradient),
    )
