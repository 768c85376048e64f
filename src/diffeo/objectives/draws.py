"""Draws x from q with log q(x), whose gradients are those of three estimators."""

from __future__ import annotations

import typing
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.func import functional_call

from diffeo.density import Density, Seed, as_generator
from diffeo.draw import Draw
from diffeo.objectives.target import slope
from diffeo.transform import Transform

__all__ = ["Gradient", "draw", "stopped_log_prob"]

Gradient = Literal["standard", "sticking", "path"]
Drawn = tuple[Tensor, Tensor]


def draw(density: Density, n: int, context: Tensor | None, seed: Seed, gradient: Gradient) -> Drawn:
    """n draws x and log q(x); of the latter, ``gradient`` says which gradient it carries.

    Args:
        density: q.
        n: number of draws.
        context: (*context_batch, context).
        seed: of the draws.
        gradient: "standard" for that to the parameters and to x; "sticking" and "path" for that to
            x alone, by the inverse or from the forward pass.

    Returns:
        x (n, *context_batch, *event_shape) and log q (n, *context_batch).

    Raises:
        ValueError: another ``gradient``.
        As ``density.rsample``.
    """
    if gradient not in _DRAWS:
        raise ValueError(f"gradient must be one of {typing.get_args(Gradient)}, got {gradient!r}")
    return _DRAWS[gradient](density, n, context, seed)


def stopped_log_prob(density: Density, x: Tensor, context: Tensor | None) -> Tensor:
    """log q(x | context) whose gradient goes to ``x`` alone, not to parameters or context."""
    still = {name: parameter.detach() for name, parameter in density.named_parameters()}
    given = density._check_context(context)
    given = None if given is None else given.detach()
    log_prob: Tensor = functional_call(density, still, (x, given))
    return log_prob


def _standard(density: Density, n: int, context: Tensor | None, seed: Seed) -> Drawn:
    return density.rsample_and_log_prob(n, context, seed=seed)


def _sticking(density: Density, n: int, context: Tensor | None, seed: Seed) -> Drawn:
    x = density.rsample(n, context, seed=seed)
    return x, stopped_log_prob(density, x, context)


def _path(density: Density, n: int, context: Tensor | None, seed: Seed) -> Drawn:
    """As ``_sticking``, without an inverse: grad_x log q = J^-T grad_z (log b(z) - ladj(z))."""
    base, transform = _pushed(density)
    if not torch.is_grad_enabled():
        return _standard(density, n, context, seed)
    density._require_rsample()
    given = density._embed(density._check_context(context))  # type: ignore[operator]
    z = base._rsample(Draw((n,), given, as_generator(seed, density.like.device)))
    # gradients below are those at a fixed parameter, also where z depends on one
    if not z.requires_grad:
        z.requires_grad_()
    x, ladj = transform(z, given)
    log_q = base._log_prob(z, given) - ladj
    by_z = slope(log_q, z, keep=True).flatten(log_q.ndim)
    jacobian = _jacobian(x, z, log_q.ndim)
    by_x = _pulled(jacobian, by_z).reshape(x.shape)
    # the value is unchanged: x - x.detach() is 0
    along = (by_x * (x - x.detach())).flatten(log_q.ndim).sum(-1)
    return x, log_q.detach() + along


def _pushed(density: Density) -> tuple[Density, Transform]:
    base, transform = getattr(density, "base", None), getattr(density, "transform", None)
    if isinstance(base, Density) and isinstance(transform, Transform):
        return base, transform
    raise TypeError(
        f"gradient='path' needs a flow, i.e. a base and a transform; {type(density).__name__} has "
        f"none; take gradient='sticking'"
    )


def _jacobian(x: Tensor, z: Tensor, batch_ndim: int) -> Tensor:
    """dx/dz (*batch, D of x, D of z), one vector-Jacobian product for each row."""
    event = x.shape[batch_ndim:]
    rows = []
    for direction in torch.eye(event.numel(), dtype=x.dtype, device=x.device):
        along = (x * direction.reshape(event)).flatten(batch_ndim).sum(-1)
        rows.append(slope(along, z, keep=True).flatten(batch_ndim))
    return torch.stack(rows, dim=batch_ndim)


def _pulled(jacobian: Tensor, by_z: Tensor) -> Tensor:
    """The g in the span of J's columns with J^T g = ``by_z``."""
    column = by_z.unsqueeze(-1)
    if jacobian.shape[-1] == jacobian.shape[-2]:
        return torch.linalg.solve(jacobian.mT, column).squeeze(-1)
    # onto a surface, such as the simplex: the slope along it is all that counts
    q, r = torch.linalg.qr(jacobian)
    found: Tensor = q @ torch.linalg.solve_triangular(r.mT, column, upper=False)
    return found.squeeze(-1)


_DRAWS: dict[str, Callable[[Density, int, Tensor | None, Seed], Drawn]] = {
    "standard": _standard,
    "sticking": _sticking,
    "path": _path,
}
