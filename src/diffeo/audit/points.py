"""Where an audit evaluates: inside a support, far out in it, and outside of it."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from diffeo.supports import (
    Circle,
    CorrCholesky,
    Discrete,
    Features,
    Interval,
    Ordered,
    Positive,
    PositiveOrdered,
    Real,
    Simplex,
    Sphere,
    Support,
)

__all__ = ["far_points", "groups", "inner_points", "nudged", "outside_points", "with_nan"]

FAR = 1e6


def groups(support: Support, event: tuple[int, ...]) -> list[slice]:
    """The elements of a flattened event that ``support`` sees together."""
    parts = support.supports if isinstance(support, Features) else ()
    widths = [s.columns for s in parts] or [support.columns] * (math.prod(event) // support.columns)
    ends = torch.tensor(widths).cumsum(0).tolist()
    return [slice(end - width, end) for end, width in zip(ends, widths, strict=True)]


def inner_points(support: Support, noise: Tensor) -> Tensor:
    """Standard normal ``noise`` (*batch, *event) moved into ``support``."""
    if isinstance(support, Features):
        return _each(support, noise, inner_points)
    if isinstance(support, Real):
        return noise
    if isinstance(support, Positive):
        return noise.exp()
    if isinstance(support, Interval):
        return support.low + (support.high - support.low) * torch.sigmoid(noise)
    if isinstance(support, Circle):
        return math.pi * torch.tanh(noise)
    if isinstance(support, Discrete):
        low, high = _range(support)
        moved = 2 * noise if support.low is None else low + 2 * noise.abs()
        return moved.round().clamp(low, high)
    if isinstance(support, Ordered):
        values = noise.exp() if isinstance(support, PositiveOrdered) else noise
        return values.sort(dim=-1).values
    if isinstance(support, Simplex):
        return torch.softmax(noise, dim=-1)
    if isinstance(support, CorrCholesky | Sphere):
        return support.nearest(noise)
    # a user's support: keep what happens to lie inside
    return torch.where(support.contains(noise), noise, support.interior(noise))


def with_nan(x: Tensor) -> Tensor:
    """A copy of rows whose second one begins with NaN."""
    x = x.clone()
    first = (1,) + (0,) * (x.ndim - 1)
    x[first] = torch.nan
    return x


def far_points(support: Support, inner: Tensor) -> Tensor:
    """``inner`` (rows, *event) at the two ends of ``support``: (2, rows, *event).

    The ends are +-1e6 for the reals, 1e-6 and 1e6 for the positive numbers, the bounds of an
    interval, corners of a simplex, perfect correlations, poles of a
    sphere; elsewhere the points stay.
    """
    return torch.stack([_end(support, inner, upper) for upper in (False, True)])


def _end(support: Support, inner: Tensor, upper: bool) -> Tensor:
    if isinstance(support, Features):
        return _each(support, inner, lambda part, columns: _end(part, columns, upper))
    if isinstance(support, Real):
        return torch.full_like(inner, FAR if upper else -FAR)
    if isinstance(support, Positive):
        return torch.full_like(inner, FAR if upper else 1 / FAR)
    if isinstance(support, Interval):
        return torch.full_like(inner, support.high if upper else support.low)
    if isinstance(support, Circle):
        return torch.full_like(inner, math.pi if upper else -math.pi)
    if isinstance(support, Discrete):
        return torch.full_like(inner, _range(support)[upper])
    if isinstance(support, Ordered):
        return _ordered_end(support, inner, upper)
    if isinstance(support, Simplex):
        corner = support.interior(inner) * 0
        corner[-1 if upper else 0] = 1
        return corner.expand_as(inner)
    if isinstance(support, CorrCholesky):
        matrix = torch.zeros(support.size, support.size, dtype=inner.dtype)
        matrix[1:, 0] = 1.0 if upper else -1.0
        matrix[0, 0] = 1.0
        return matrix.flatten().expand_as(inner)
    if isinstance(support, Sphere):
        pole = support.interior(inner) * 0
        pole[-1] = 1.0 if upper else -1.0
        return pole.expand_as(inner)
    return inner


def _ordered_end(support: Ordered, inner: Tensor, upper: bool) -> Tensor:
    steps = support.interior(inner)
    if isinstance(support, PositiveOrdered):
        return (steps * (FAR if upper else 1 / FAR)).expand_as(inner)
    return (FAR * (steps if upper else -steps.flip(-1))).expand_as(inner)


def nudged(support: Support, x: Tensor, step: float) -> list[Tensor]:
    """``x`` with all elements moved by a relative ``step``, up together, down, and at random.

    Back on ``support``, in float64.
    """
    random = torch.where(torch.rand(x.shape) < 0.5, 1.0, -1.0).double()
    moves = (torch.ones_like(random), -torch.ones_like(random), random)
    return [support.nearest(x.double() * (1 + step * move)) for move in moves]


def outside_points(support: Support, inner: Tensor) -> Tensor:
    """Rows (n, *event) of which one element each lies outside ``support``; finite ones first."""
    rows = []
    for bad in (-1.0, 0.0, 0.5, 1.0):
        rows += _replaced(support, inner, bad)
    for bad in (torch.inf, -torch.inf):
        rows += _replaced(support, inner, bad)
    return torch.stack(rows) if rows else inner[:0]


def _replaced(support: Support, inner: Tensor, step: float) -> list[Tensor]:
    """Copies of the first point with element i moved to a bound plus ``step``, where outside."""
    rows = []
    parts = support.supports if isinstance(support, Features) else None
    for index, elements in enumerate(groups(support, tuple(inner.shape[1:]))):
        bound = _bound(support if parts is None else parts[index], upper=step > 0)
        for i in range(elements.start, elements.stop):
            # whatever the strides of the point, a view of the copy
            row = inner[0].clone(memory_format=torch.contiguous_format)
            row.view(-1)[i] = bound + step
            if not bool(support.contains(row).all()):
                rows.append(row)
    return rows


def _bound(support: Support, *, upper: bool) -> float:
    if isinstance(support, Interval):
        return support.high if upper else support.low
    if isinstance(support, Circle):
        return math.pi if upper else -math.pi
    if isinstance(support, Discrete):
        low, high = _range(support)
        return high if upper and high < FAR else max(low, 0.0)
    return 0.0


def _range(support: Discrete) -> tuple[float, float]:
    """The least and the greatest value, within +-1e6."""
    low = -FAR if support.low is None else float(support.low)
    return low, FAR if support.high is None else float(support.high)


def _each(support: Features, x: Tensor, act: Callable[[Support, Tensor], Tensor]) -> Tensor:
    columns = x.split([part.columns for part in support.supports], dim=-1)
    each = zip(support.supports, columns, strict=True)
    return torch.cat([act(part, values) for part, values in each], dim=-1)
