"""Knots of splines: positions from parameters, the bin of a value, what its ends carry."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["bin_of", "both_ends", "knot_positions", "shares", "with_ends"]


def shares(raw: Tensor, least: float, dim: int) -> Tensor:
    """Shares of a whole along ``dim``, each at least ``least``: softmax of ``raw``, floored."""
    return least + (1 - least * raw.shape[dim]) * torch.softmax(raw, dim=dim)


def with_ends(table: Tensor, low: float, high: float) -> Tensor:
    """(rows, n, ...) with ``low`` before and ``high`` after each row: (rows, n + 2, ...)."""
    # built from zeros: older exporters stumble over constants
    edge = torch.zeros_like(table[:, :1])
    return torch.cat([edge + low, table, edge + high], dim=1)


def knot_positions(raw: Tensor, low: float, high: float, least: float) -> Tensor:
    """(rows, bins, ...) logits to (rows, bins + 1, ...) increasing positions from low to high.

    Equal logits give even spacing; no bin is narrower than ``least`` of the whole.
    """
    inner = torch.cumsum(shares(raw, least, dim=1)[:, :-1], dim=1)
    return with_ends(low + (high - low) * inner, low, high)


def bin_of(value: Tensor, knots: Tensor) -> Tensor:
    """Index of the bin that holds ``value`` (...), between increasing ``knots`` (bins + 1, ...).

    Values beyond the ends count to the first and the last bin.
    """
    # counting needs no sorted search, which exporters lack
    return (value >= knots[1:-1]).sum(dim=0)


def both_ends(tables: Tensor, left: Tensor) -> tuple[Tensor, ...]:
    """Each row of ``tables`` (rows, bins + 1, ...) at both ends of the bins ``left`` (...).

    In the order row 0 left, row 0 right, row 1 left, ...
    """
    rows, knots = tables.shape[:2]
    index = torch.stack([left, left + 1]).expand(rows, 2, *left.shape)
    ends = tables.expand(rows, knots, *left.shape).gather(1, index)
    return ends.flatten(0, 1).unbind()
