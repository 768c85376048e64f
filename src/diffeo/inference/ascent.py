"""Climbing a log-density from several points at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from diffeo.inference.target import Target

__all__ = ["Iterate", "climb"]

_HALVINGS = 12
_ARMIJO = 1e-4
# roundings of a log-density; a smaller rise is noise
_ROUNDINGS = 10


@dataclass
class Iterate:
    """Where the climbers are.

    Attributes:
        x: points (climbers, dim).
        value, gradient: of the log-density there.
        inverse_hessian: estimates (climbers, dim, dim) of minus its inverse Hessian.
        moving: which climbers go on (climbers).
        settled: which climbers are where the density no longer rises, to rounding (climbers).
    """

    x: Tensor
    value: Tensor
    gradient: Tensor
    inverse_hessian: Tensor
    moving: Tensor
    settled: Tensor


def climb(target: Target, start: Tensor, iterations: int) -> Iterator[Iterate]:
    """Quasi-Newton ascent (BFGS with a backtracking search), all climbers together.

    Args:
        target: the log-density.
        start: points (climbers, dim) where it is finite.
        iterations: at most so many.

    Yields:
        Every iterate from the first update on, until no climber goes on.

    Reference: "Numerical Optimization", Nocedal and Wright, 2006, chapter 6.
    """
    noise = max(1e-9, _ROUNDINGS * torch.finfo(target.dtype).eps)
    value, gradient = target.value_and_gradient(start)
    inverse = torch.eye(target.dim, dtype=start.dtype).repeat(len(start), 1, 1)
    moving = value.isfinite()
    now = Iterate(start, value, gradient, inverse, moving, torch.zeros_like(moving))
    for iteration in range(iterations):
        direction = (now.inverse_hessian @ now.gradient.unsqueeze(-1)).squeeze(-1)
        if iteration == 0:  # nothing is known of the scale yet
            direction = direction / direction.norm(dim=-1, keepdim=True).clamp(min=1.0)
        x, value, gradient, moved = _search(target, now, direction)
        inverse = _updated(now, x - now.x, now.gradient - gradient, first=iteration == 0)
        # where no step climbs, what the gradient promised may be below the noise
        promised = (now.gradient * direction).sum(-1) / 2
        rise = torch.where(moved, value - now.value, promised)
        still = now.moving & (rise <= noise * value.abs().clamp(min=1.0))
        # the first step is of any length
        settled = now.settled | (still & (iteration > 0))
        now = Iterate(x, value, gradient, inverse, moved & ~settled, settled)
        yield now
        if not bool(now.moving.any()):
            return


def _search(
    target: Target, now: Iterate, direction: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Points, values and gradients of the first step, halved, that climbs enough; who climbed."""
    x, value, gradient = now.x.clone(), now.value.clone(), now.gradient.clone()
    slope = (now.gradient * direction).sum(-1)
    open_ = (now.moving & (slope > 0)).nonzero().squeeze(-1)
    moved = torch.zeros_like(now.moving)
    step = 1.0
    for _ in range(_HALVINGS):
        if not len(open_):
            break
        trial = now.x[open_] + step * direction[open_]
        f, g = target.value_and_gradient(trial)
        good = f.isfinite() & (f >= now.value[open_] + _ARMIJO * step * slope[open_])
        done = open_[good]
        x[done], value[done], gradient[done], moved[done] = trial[good], f[good], g[good], True
        open_ = open_[~good]
        step /= 2 if step > 0.1 else 5
    return x, value, gradient, moved


def _updated(now: Iterate, s: Tensor, y: Tensor, *, first: bool) -> Tensor:
    """The BFGS update of the inverse Hessians, where the density curves downwards."""
    curvature = (s * y).sum(-1)
    usable = curvature > 1e-10 * s.norm(dim=-1) * y.norm(dim=-1)
    safe = torch.where(usable, curvature, 1.0)
    inverse = now.inverse_hessian
    if first:
        scale = torch.where(usable, curvature / y.square().sum(-1).clamp(min=1e-300), 1.0)
        inverse = inverse * scale[:, None, None]
    rho = (1 / safe)[:, None, None]
    hy = (inverse @ y.unsqueeze(-1)).squeeze(-1)
    shrink = hy.unsqueeze(-1) * s.unsqueeze(-2)
    factor = (1 + (y * hy).sum(-1) / safe)[:, None, None]
    update = factor * rho * s.unsqueeze(-1) * s.unsqueeze(-2) - rho * (shrink + shrink.mT)
    return torch.where(usable[:, None, None], inverse + update, inverse)
