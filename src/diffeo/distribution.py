"""A density as a ``torch.distributions.Distribution``."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints

from diffeo.density import Density

__all__ = ["DensityDistribution"]


class DensityDistribution(Distribution):
    """View of a density at one context as a torch distribution.

    Args:
        density: the density.
        context: (*context_batch, context), or None for an unconditional one.

    Shapes: batch_shape is ``context_batch`` (() without context), event_shape the density's.

    Raises:
        ContextError: a missing context, or one of another width.
    """

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {}

    def __init__(self, density: Density, context: Tensor | None = None) -> None:
        self.density = density
        self.context = density._check_context(context)
        batch = torch.Size() if self.context is None else self.context.shape[:-1]
        self.has_rsample = density.has_rsample
        super().__init__(batch, torch.Size(density.event_shape), validate_args=False)

    @property
    def support(self) -> constraints.Constraint:
        return _InSupport(self.density)

    def log_prob(self, value: Tensor) -> Tensor:
        result: Tensor = self.density.log_prob(value, self.context)
        return result

    def sample(self, sample_shape: Any = ()) -> Tensor:
        result: Tensor = self.density.sample(tuple(sample_shape), self.context)
        return result

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return self.density.rsample(tuple(sample_shape), self.context)

    def __repr__(self) -> str:
        return f"{type(self.density).__name__}.distribution(batch_shape={tuple(self.batch_shape)})"


class _InSupport(constraints.Constraint):
    """The density's support as a constraint on events."""

    def __init__(self, density: Density) -> None:
        self.density = density
        self.event_dim = len(density.event_shape)
        super().__init__()

    def check(self, value: Tensor) -> Tensor:
        inside = self.density.support.contains(value)
        return inside.flatten(inside.ndim - self.event_dim).all(-1)
