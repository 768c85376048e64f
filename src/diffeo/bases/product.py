"""Independent densities side by side."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from diffeo.density import Density
from diffeo.draw import Draw
from diffeo.errors import ShapeError
from diffeo.supports import Features, parts_of
from diffeo.transform import weakest

__all__ = ["Product"]


class Product(Density):
    """p(x | c) = prod_k p_k(x_k | c), where x is x_1, x_2, ... side by side.

    Args:
        *factors: at least one density of vectors; those that read a context read the same one.

    Shapes: events (*batch, D), D the sum of the factors' sizes; context (*batch, context).

    Raises:
        ShapeError: no factors, events that are not vectors, or contexts of several widths.

    Example:
        >>> import torch, diffeo
        >>> both = diffeo.bases.Product(
        ...     diffeo.bases.TorusUniform(1), diffeo.bases.StandardNormal(2)
        ... )
        >>> both.sample(5).shape
        torch.Size([5, 3])
    """

    def __init__(self, *factors: Density) -> None:
        shapes = [f.event_shape for f in factors]
        if not factors or any(len(shape) != 1 for shape in shapes):
            raise ShapeError(f"Product needs densities of vectors, got events of shapes {shapes}")
        widths = {f.context for f in factors if f.context}
        if len(widths) > 1:
            raise ShapeError(f"Product: the factors read contexts of widths {sorted(widths)}")
        sizes = [shape[0] for shape in shapes]
        super().__init__((sum(sizes),), widths.pop() if widths else 0)
        self._sizes = sizes
        self.factors = nn.ModuleList(factors)
        self.support = Features(
            [part for f in factors for part in parts_of(f.support, f.event_shape[0])]
        )
        self.has_rsample = all(f.has_rsample for f in factors)
        self.compiles = all(f.compiles for f in factors)
        self.exactness = weakest(f.exactness for f in factors)

    def arguments(self) -> dict[str, Any]:
        return {"factors": tuple(self.factors)}

    def _log_prob(self, x: Tensor, context: Tensor | None) -> Tensor:
        parts = x.split(self._sizes, dim=-1)
        each = zip(self.factors, parts, strict=True)
        return torch.stack([f._log_prob(part, context) for f, part in each]).sum(0)  # type: ignore[operator]

    def _rsample(self, draw: Draw) -> Tensor:
        return torch.cat([f._rsample(draw) for f in self.factors], dim=-1)  # type: ignore[operator]
