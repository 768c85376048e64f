"""What the inverse of a map onto a support says of points outside of it."""

from __future__ import annotations

import torch
from torch import Tensor

from diffeo.supports import Support

__all__ = ["unless_outside"]


def unless_outside(support: Support, y: Tensor, ladj: Tensor) -> Tensor:
    """-inf for events ``y`` (*batch, columns) outside ``support``, as a density is zero there.

    NaN where any column is, also one that no formula reads.
    """
    ladj = ladj.masked_fill(~support.contains(y).all(-1), -torch.inf)
    return ladj.masked_fill(y.isnan().any(-1), torch.nan)
