"""Densities made of densities: Mixture and Ensemble."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from diffeo.arrays import ArrayLike
from diffeo.draw import Draw
from diffeo.errors import ShapeError
from diffeo.model import Model
from diffeo.transform import weakest

__all__ = ["Ensemble", "Mixture"]

Self = TypeVar("Self", bound="Ensemble")


class Mixture(Model):
    """p(x | c) = sum_k w_k p_k(x | c) with learned weights w.

    ``fit`` trains weights and components together. Samples cannot be reparameterised.

    Args:
        *components: at least one model, of one event shape, context width and support.

    Shapes: x (*batch, *event_shape), context (*batch, context).

    Raises:
        ShapeError: no components, or components that do not fit together.

    Example:
        >>> import torch, diffeo
        >>> two = diffeo.Mixture(diffeo.NSF(features=2), diffeo.NSF(features=2))
        >>> two.log_prob(torch.zeros(5, 2)).shape
        torch.Size([5])
    """

    has_rsample = False

    def __init__(self, *components: Model) -> None:
        name = type(self).__name__
        if not components:
            raise ShapeError(f"{name} needs at least one component")
        shapes = {c.event_shape for c in components}
        widths = {c.context for c in components}
        if len(shapes) > 1 or len(widths) > 1:
            raise ShapeError(
                f"{name}: its components must share one event shape and one context width, "
                f"got {sorted(shapes)} and {sorted(widths)}"
            )
        if any(c.support != components[0].support for c in components):
            raise ShapeError(
                f"{name}: its components must share one support, "
                f"got {[c.support for c in components]}"
            )
        super().__init__(components[0].event_shape, components[0].context)
        self.components = nn.ModuleList(components)
        self.logits: Tensor = nn.Parameter(torch.zeros(len(components)))
        self.support = components[0].support
        self.compiles = all(c.compiles for c in components)
        self.exactness = weakest(c.exactness for c in components)

    def arguments(self) -> dict[str, Any]:
        return {"components": tuple(self.components)}

    def _log_prob(self, x: Tensor, context: Tensor | None) -> Tensor:
        each = torch.stack([c._log_prob(x, context) for c in self.components])  # type: ignore[operator]
        log_weights = torch.log_softmax(self.logits, dim=0)
        return torch.logsumexp(each + log_weights.reshape(-1, *(1,) * (each.ndim - 1)), dim=0)

    def _rsample(self, draw: Draw) -> Tensor:
        chosen = self._choices(math.prod(draw.batch), draw.generator)
        chosen = chosen.reshape(*draw.batch, *(1,) * len(self.event_shape))
        # every component draws all: simple, and the seed decides the result whatever was chosen;
        # one after another, so that the draws of only one are held
        x = self.like.new_empty(*draw.batch, *self.event_shape)
        for k, component in enumerate(self.components):
            x = torch.where(chosen == k, component._rsample(draw), x)  # type: ignore[operator]
        return x

    def _choices(self, count: int, generator: torch.Generator | None) -> Tensor:
        """The component of each sample."""
        weights = torch.softmax(self.logits, dim=0)
        # multinomial refuses to draw none
        return torch.multinomial(weights, max(count, 1), replacement=True, generator=generator)[
            :count
        ]

    def initialize(
        self, x: Tensor, context: Tensor | None = None, *, standardize: bool = True
    ) -> None:
        for component in self.components:
            component.initialize(x, context, standardize=standardize)  # type: ignore[operator]


class Ensemble(Mixture):
    """The equal-weight mixture of models that are trained each on its own.

    ``fit`` fits the members one after another, member k with seed + k (and its checkpoints in the
    sub-folder k), so that they differ by initial weights, split and order; their average is a
    better density than the average of their log-densities.

    Args:
        *components: at least one model, of one event shape, context width and support.

    Shapes: x (*batch, *event_shape), context (*batch, context).

    Raises:
        ShapeError: no components, or components that do not fit together.

    Reference: "Simple and Scalable Predictive Uncertainty Estimation using Deep Ensembles",
    Lakshminarayanan, Pritzel, Blundell, 2016, arXiv:1612.01474.

    Example:
        >>> import torch, diffeo
        >>> three = diffeo.Ensemble(*(diffeo.RealNVP(features=2, seed=k) for k in range(3)))
        >>> three.sample(4).shape
        torch.Size([4, 2])
    """

    def __init__(self, *components: Model) -> None:
        super().__init__(*components)
        # equal weights, for good
        del self.logits
        self.register_buffer("logits", torch.zeros(len(components)))

    def fit(
        self: Self,
        X: ArrayLike,
        *,
        seed: int = 0,
        checkpoint: str | os.PathLike[str] | None = None,
        **options: Any,
    ) -> Self:
        """Fit every member on its own; arguments and errors as ``Model.fit``."""
        for k, member in enumerate(self.components):
            folder = None if checkpoint is None else Path(checkpoint) / str(k)
            member.fit(X, seed=seed + k, checkpoint=folder, **options)  # type: ignore[operator]
        records: list[Any] = [member.record for member in self.components]
        self.record = {"data": records[0]["data"], "members": records}
        return self.eval()
