"""Flow matching: velocities learned by regression, without solving an equation."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, get_args

import torch
from torch import Tensor

from diffeo.density import Seed, as_generator
from diffeo.draw import Draw
from diffeo.errors import ShapeError, import_extra

__all__ = ["Coupling", "Interpolation", "check_matching", "flow_matching", "interpolate"]

Interpolation = Literal["linear", "trigonometric"]
Coupling = Literal["independent", "optimal"]
# x (*batch, D), t (*batch) and context to a velocity
Velocity = Callable[[Tensor, Tensor, Tensor | None], Tensor]

# rows that are paired together: the time of an assignment grows with their cube
MOST_COUPLED = 512


def flow_matching(
    field: Velocity,
    x0: Tensor,
    x1: Tensor,
    context: Tensor | None = None,
    weight: Tensor | None = None,
    *,
    path: Interpolation = "linear",
    noise: float = 0.0,
    coupling: Coupling = "independent",
    seed: Seed = None,
) -> Tensor:
    """Mean of w |v(x_t, t, context) - dx_t/dt|^2 over pairs (x0, x1) and times t.

    ``interpolate`` says what x_t is. Its minimum over all v is the velocity whose flow carries the
    distribution of x0 to that of x1, whatever the coupling.

    - Bias: none with independent pairs. Optimal ones of a batch are those of a whole distribution
      only in the limit of large batches, and each x0 must be independent of context and weight,
      which such pairs are not: both are refused.
    - Variance: t is stratified over the rows. Optimal pairs cross less, which lowers the variance
      of the loss and straightens the paths, so that solvers take fewer steps.
    - Cost: one call of the field with gradient; optimal pairs add an assignment (scipy's, in
      ``diffeo[continuous]``) of at most 512 rows at a time.

    Args:
        field: v, such as a ``nets.Field``.
        x0: (rows, D), draws from the base.
        x1: (rows, D), data.
        context: (rows, context), that of ``x1``.
        weight: (rows,), that of ``x1``, with mean 1 over the data.
        path: "linear" or "trigonometric".
        noise: scale of the noise around the path.
        coupling: "independent" takes the pairs as they come; "optimal" pairs each x1 with the x0
            that makes the sum of |x0 - x1|^2 smallest.
        seed: of times and noise.

    Returns:
        A scalar >= 0, in units of x^2: not a likelihood, and 0 only where x1 is a function of x_t.

    Raises:
        ShapeError: events of x0 and x1 that differ.
        ValueError: an unknown path or coupling, noise out of range, or an optimal coupling with
            context or weights.
        MissingExtraError: an optimal coupling without scipy.

    Reference: "Flow Matching for Generative Modeling", Lipman, Chen, Ben-Hamu, Nickel, Le, 2023,
    arXiv:2210.02747; "Improving and Generalizing Flow-Based Generative Models with Minibatch
    Optimal Transport", Tong, Fatras, Malkin, Huguet, Zhang, Rector-Brooks, Wolf, Bengio, 2024,
    arXiv:2302.00482; "Building Normalizing Flows with Stochastic Interpolants", Albergo,
    Vanden-Eijnden, 2023, arXiv:2209.15571.

    Example:
        >>> import torch, diffeo
        >>> field = diffeo.nets.VectorField(2)
        >>> x0, x1 = torch.randn(100, 2), 3 + torch.randn(100, 2)
        >>> loss = diffeo.objectives.flow_matching(field, x0, x1)
        >>> loss.backward()
    """
    if x0.shape != x1.shape:
        raise ShapeError(
            f"flow_matching: x0 and x1 are pairs, but have shapes {tuple(x0.shape)} and "
            f"{tuple(x1.shape)}"
        )
    given = context is not None or weight is not None
    check_matching("flow_matching", path, noise, coupling, conditional=given)
    generator = as_generator(seed, x1.device)
    if coupling == "optimal":
        x0 = x0[_optimal_order(x0, x1)]
    draw = Draw(tuple(x1.shape[:-1]), generator=generator)
    strata = torch.randperm(len(x1), generator=generator, device=x1.device)
    t = (strata + draw.uniform((), x1)) / max(len(x1), 1)
    z = draw.normal((x1.shape[-1],), x1) if noise else None
    x, velocity = interpolate(x0, x1, t, path=path, noise=noise, z=z)
    error = (field(x, t, context) - velocity).square().sum(-1)
    return (error if weight is None else weight * error).mean()


def interpolate(
    x0: Tensor,
    x1: Tensor,
    t: Tensor,
    *,
    path: Interpolation = "linear",
    noise: float = 0.0,
    z: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """The point of a path from x0 to x1 at time t, and its velocity dx_t/dt:

        linear:         x_t = (1 - t) x0 + t x1,
        trigonometric:  x_t = cos(pi t / 2) x0 + sin(pi t / 2) x1,

    with noise s > 0 and z from N(0, 1) plus gamma(t) z, gamma(t) = s sin(pi t)^2. The
    trigonometric path keeps the variance of independent x0 and x1 of variance 1. (Albergo and
    Vanden-Eijnden name this gamma among others; its slope stays bounded.)

    Args:
        x0, x1: (*batch, D).
        t: (*batch), in [0, 1].
        path: "linear" or "trigonometric".
        noise: s.
        z: (*batch, D), where ``noise`` > 0.

    Returns:
        x_t and dx_t/dt (*batch, D).

    Example:
        >>> import torch
        >>> from diffeo.objectives import interpolate
        >>> interpolate(torch.tensor([1.0]), torch.tensor([3.0]), torch.tensor(0.5))
        (tensor([2.]), tensor([2.]))
    """
    t = t[..., None]
    if path == "linear":
        x, velocity = (1 - t) * x0 + t * x1, x1 - x0
    else:
        angle = math.pi / 2 * t
        x = angle.cos() * x0 + angle.sin() * x1
        velocity = math.pi / 2 * (angle.cos() * x1 - angle.sin() * x0)
    if z is None:
        return x, velocity
    gamma = noise * (math.pi * t).sin().square()
    slope = noise * math.pi * (2 * math.pi * t).sin()
    return x + gamma * z, velocity + slope * z


def check_matching(name: str, path: str, noise: float, coupling: str, *, conditional: bool) -> None:
    """Raise ValueError, naming ``name``, for options that ``flow_matching`` does not have."""
    for option, given, allowed in (
        ("path", path, get_args(Interpolation)),
        ("coupling", coupling, get_args(Coupling)),
    ):
        if given not in allowed:
            raise ValueError(f"{name}: {option} must be one of {allowed}, got {given!r}")
    if not (math.isfinite(noise) and noise >= 0):
        raise ValueError(f"{name}: noise must be a finite number >= 0, got {noise!r}")
    if conditional and coupling == "optimal":
        raise ValueError(
            f"{name}: with context or weights the coupling must be 'independent'; optimal pairs "
            f"would make the base depend on them"
        )


def _optimal_order(x0: Tensor, x1: Tensor) -> Tensor:
    """Indices of the x0 that belong to each x1."""
    optimize = import_extra("scipy.optimize", "continuous")
    order = torch.arange(len(x1))
    for rows in order.clone().split(MOST_COUPLED):
        first, second = (x[rows.to(x.device)].detach().double().cpu() for x in (x0, x1))
        cost = torch.cdist(first, second).square().numpy()
        taken, partner = map(torch.from_numpy, optimize.linear_sum_assignment(cost))
        order[rows[partner]] = rows[taken]
    return order.to(x1.device)
