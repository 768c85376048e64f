"""Columns whose values repeat, on which a continuous density would diverge."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor

from diffeo.errors import DataWarning
from diffeo.supports import Support

__all__ = ["find_resolutions", "jitter", "warn_of_ties"]

# the largest share of distinct values at which a column counts as rounded
DISTINCT_SHARE = 0.9


def find_resolutions(x: Tensor) -> Tensor:
    """Per column, the step to which its values are rounded; 0 where values hardly repeat.

    Args:
        x: (rows, features).

    Returns:
        (features,), in the units of the columns.
    """
    steps = torch.zeros(x.shape[1], dtype=x.dtype)
    for i, column in enumerate(x.cpu().unbind(1)):
        distinct = column.unique()
        if len(distinct) >= DISTINCT_SHARE * len(column) or len(distinct) < 2:
            continue
        gaps = distinct.double().diff()
        # gaps of a few roundings are one value written twice, unless the column has no others
        noise = 4 * torch.finfo(x.dtype).eps * float(distinct.abs().max())
        wide = gaps[gaps > noise]
        least = wide.min() if len(wide) else gaps.max()
        # the mean of the like gaps is free of the rounding of each
        steps[i] = gaps[(gaps >= least) & (gaps < 1.5 * least)].mean()
    return steps.to(x.device)


def warn_of_ties(steps: Tensor, names: list[str]) -> None:
    """Say which columns get noise, and how much."""
    found = [f"{names[i]} ({step:.4g})" for i, step in enumerate(steps.tolist()) if step > 0]
    if found:
        warnings.warn(
            "values repeat, as a rounded measurement does, and a density would diverge on them; "
            f"uniform noise of the column's resolution is added in training: {', '.join(found)}",
            DataWarning,
            stacklevel=4,  # the line that called fit
        )


def jitter(x: Tensor, steps: Tensor, support: Support, generator: torch.Generator) -> Tensor:
    """``x`` with uniform noise of width ``steps``, kept within ``support``."""
    unit = torch.rand(x.shape, generator=generator, dtype=x.dtype).to(x.device)
    noise = steps * (unit - 0.5)
    moved, opposite = support.nearest(x + noise), support.nearest(x - noise)
    return torch.where(support.contains(moved), moved, opposite)
