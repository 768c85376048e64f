"""Where an audit evaluates: inside a support, far out in it, and outside of it."""

from __future__ import annotations

import torch
from torch import Tensor

from diffeo.supports import Features, Interval, Positive, Real, Support

__all__ = ["far_points", "inner_points", "outside_points"]

FAR = 1e6


def inner_points(support: Support, noise: Tensor) -> Tensor:
    """Standard normal ``noise`` moved into ``support``."""
    if isinstance(support, Features):
        return _each_column(inner_points, support, noise)
    if isinstance(support, Real):
        return noise
    if isinstance(support, Positive):
        return noise.exp()
    if isinstance(support, Interval):
        return support.low + (support.high - support.low) * torch.sigmoid(noise)
    # a user's support: keep what happens to lie inside
    return torch.where(support.contains(noise), noise, support.interior(noise))


def far_points(support: Support, inner: Tensor) -> Tensor:
    """``inner`` (rows, *event) at the two ends of ``support``: (2, rows, *event).

    The ends are +-1e6 for the reals, 1e-6 and 1e6 for the positive numbers, the bounds of an
    interval; elsewhere the points stay.
    """
    return torch.stack([_end(support, inner, upper) for upper in (False, True)])


def _end(support: Support, inner: Tensor, upper: bool) -> Tensor:
    if isinstance(support, Features):
        columns = [_end(s, inner[..., i], upper) for i, s in enumerate(support.supports)]
        return torch.stack(columns, dim=-1)
    if isinstance(support, Real):
        return torch.full_like(inner, FAR if upper else -FAR)
    if isinstance(support, Positive):
        return torch.full_like(inner, FAR if upper else 1 / FAR)
    if isinstance(support, Interval):
        return torch.full_like(inner, support.high if upper else support.low)
    return inner


def outside_points(support: Support, inner: Tensor) -> Tensor:
    """Rows (n, *event) of which one element each lies outside ``support``; finite ones first."""
    rows = []
    for bad in (-1.0, 0.0, 1.0):
        rows += _replaced(support, inner, bad)
    for bad in (torch.inf, -torch.inf):
        rows += _replaced(support, inner, bad)
    return torch.stack(rows) if rows else inner[:0]


def _replaced(support: Support, inner: Tensor, step: float) -> list[Tensor]:
    """Copies of the first point with element i moved to a bound plus ``step``, where outside."""
    rows = []
    for i in range(inner[0].numel()):
        scalar = support.supports[i] if isinstance(support, Features) else support
        bound = 0.0
        if isinstance(scalar, Interval):
            bound = scalar.high if step > 0 else scalar.low
        row = inner[0].clone()
        row.reshape(-1)[i] = bound + step
        if not bool(support.contains(row).all()):
            rows.append(row)
    return rows


def _each_column(act: object, support: Features, noise: Tensor) -> Tensor:
    columns = [act(s, noise[..., i]) for i, s in enumerate(support.supports)]  # type: ignore[operator]
    return torch.stack(columns, dim=-1)
