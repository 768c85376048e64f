"""Unit vectors."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from diffeo.supports.support import Support
from diffeo.supports.vector import check_size, tolerance

__all__ = ["Sphere"]


class Sphere(Support):
    """Unit vectors of R^n, of length 1 to within 1000 roundings (1.2e-4 in float32).

    The reference measure is the surface's: a uniform density is 1 / (4 pi) on the sphere of R^3.

    Args:
        columns: the number n of coordinates, at least 2; 3 for the ordinary sphere.

    Raises:
        ShapeError: fewer coordinates.
    """

    wanted = "a vector of length 1"

    def __init__(self, columns: int) -> None:
        check_size(type(self).__name__, columns, 2)
        self.columns = columns
        self.free = columns - 1

    def contains(self, x: Tensor) -> Tensor:
        unit = (x.square().sum(-1, keepdim=True).sqrt() - 1).abs() <= tolerance(x)
        return unit.expand(x.shape)

    def interior(self, like: Tensor) -> Tensor:
        # far from the poles of every axis
        return like.new_full((self.columns,), self.columns**-0.5)

    def chart(self, x: Tensor, near: Tensor) -> Tensor:
        return (x.unsqueeze(-2) @ _tangents(near)).squeeze(-2)

    def embed(self, coordinates: Tensor, near: Tensor) -> Tensor:
        return self.nearest(near + (_tangents(near) @ coordinates.unsqueeze(-1)).squeeze(-1))

    def nearest(self, x: Tensor) -> Tensor:
        return F.normalize(x, dim=-1, eps=torch.finfo(x.dtype).tiny)

    def __repr__(self) -> str:
        return f"sphere({self.columns})"


def _tangents(at: Tensor) -> Tensor:
    """An orthonormal basis (*batch, n, n - 1) of the directions along the sphere at ``at``.

    The first columns of the reflection that takes the last axis to the line of ``at``.
    """
    last = F.pad(torch.zeros_like(at[..., 1:]), (0, 1), value=1.0)
    # of both such reflections, the one in which nothing cancels
    normal = at + torch.where(at[..., -1:] < 0, -last, last)
    outer = normal.unsqueeze(-1) * normal.unsqueeze(-2)
    eye = torch.eye(at.shape[-1], dtype=at.dtype, device=at.device)
    return (eye - 2 * outer / normal.square().sum(-1)[..., None, None])[..., :-1]
