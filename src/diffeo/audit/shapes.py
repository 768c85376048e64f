"""Shapes and dtypes of what comes out of one direction of a transform."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["Map", "misshapen", "take"]

Map = Callable[[Tensor, Tensor | None], tuple[Tensor, Tensor]]


def take(x: Tensor, batch: tuple[int, ...]) -> Tensor:
    """As many rows of ``x`` as ``batch`` holds, in that shape."""
    count = int(torch.Size(batch).numel())
    return x[:count].reshape(*batch, *x.shape[1:])


def misshapen(
    act: Map,
    x: Tensor,
    context: Tensor | None,
    event: tuple[int, ...],
    what: str,
    batch: tuple[int, ...],
) -> list[str]:
    """Complaints about shapes and dtypes of what comes out."""
    y, ladj = act(x, context)
    found = []
    if tuple(y.shape) != (*batch, *event):
        found.append(f"{what}: values of shape {tuple(y.shape)}, not {(*batch, *event)}")
    if tuple(ladj.shape) != batch:
        found.append(f"{what}: ladj of shape {tuple(ladj.shape)}, not {batch}")
    if {y.dtype, ladj.dtype} != {x.dtype}:
        found.append(f"{what}: {x.dtype} in, values {y.dtype} and ladj {ladj.dtype} out")
    return found
