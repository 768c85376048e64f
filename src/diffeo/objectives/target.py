"""What the variational objectives ask of a target, a density and a number of draws."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from diffeo.density import Density
from diffeo.errors import ShapeError
from diffeo.pullback import gradients

__all__ = ["LogDensity", "check_density", "slope", "target_values"]

LogDensity = Callable[[Tensor], Tensor]


def target_values(target: LogDensity, x: Tensor, density: Density) -> Tensor:
    """``target(x)``, one number a point.

    Args:
        target: unnormalised log-density.
        x: (*batch, *event_shape).
        density: whose events the points are.

    Raises:
        ShapeError: values of another shape than (*batch).
        TypeError: values that are no tensor, or that carry no gradient to an ``x`` that wants one.
    """
    values = target(x)
    name = getattr(target, "__name__", type(target).__name__)
    if not isinstance(values, Tensor):
        raise TypeError(
            f"the target {name!r} must return a tensor, got {type(values).__name__}; "
            f"write it in torch operations"
        )
    batch = tuple(x.shape[: x.ndim - len(density.event_shape)])
    if tuple(values.shape) != batch:
        raise ShapeError(
            f"the target {name!r} must return one number a point, shape {batch} for points of "
            f"shape {tuple(x.shape)}, got shape {tuple(values.shape)}; sum over the axes of an "
            f"event, e.g. .sum(-1)"
        )
    # without this, an objective would be minimised as if the target were flat
    if x.requires_grad and not values.requires_grad:
        raise TypeError(
            f"the values of the target {name!r} carry no gradient to its argument; compute them "
            f"from it by torch operations (a flat target: add 0 * x.sum(-1))"
        )
    return values


def slope(values: Tensor, x: Tensor, *, keep: bool = False, differentiable: bool = False) -> Tensor:
    """Gradient of each of ``values`` to its own row of ``x``; 0 where it has no influence.

    ``keep`` leaves the graph for another call; ``differentiable`` gives the gradient one as well.
    """
    (found,) = gradients(
        (values,), (x,), (torch.ones_like(values),), keep=keep, differentiable=differentiable
    )
    return torch.zeros_like(x) if found is None else found


def check_density(objective: str, density: Density) -> None:
    """Raise unless ``log_prob`` is that of the samples.

    Raises:
        TypeError: a density whose ``log_prob`` is only a bound.
    """
    if density.exactness == "bound":
        raise TypeError(
            f"{objective}: log_prob of {type(density).__name__} is a bound, and the objective "
            f"would be too low without saying by how much; take a density that is exact"
        )
