"""What a network sees of a row of a table."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from diffeo.errors import ShapeError
from diffeo.supports import Features, Support
from diffeo.supports.discrete import Categories

__all__ = ["as_list", "by_column", "encode", "encoded_width", "one_hot", "with_context"]


def as_list(name: str, supports: Sequence[Support] | Features) -> list[Support]:
    """One support a column.

    Raises:
        ShapeError: none, or something else.
    """
    each = list(supports.supports if isinstance(supports, Features) else supports)
    if not each or not all(isinstance(s, Support) for s in each):
        raise ShapeError(f"{name} needs one support for each column, got {each}")
    return each


def one_hot(labels: Tensor, count: int) -> Tensor:
    """(*batch) of labels to (*batch, count), in their dtype; all 0 for what is no label."""
    names = torch.arange(count, device=labels.device)
    return (labels[..., None] == names).to(labels.dtype)


def by_column(supports: Sequence[Support]) -> list[Support]:
    """The support to which each column belongs; some, like a simplex, take several."""
    return [s for s in supports for _ in range(s.columns)]


def encoded_width(columns: Sequence[Support]) -> int:
    """The width that ``encode`` gives."""
    return sum(s.count if isinstance(s, Categories) else 1 for s in columns)


def encode(x: Tensor, columns: Sequence[Support]) -> Tensor:
    """(*batch, D) to (*batch, width): numbers as they are, categories one-hot."""
    each = [
        one_hot(x[..., i], s.count) if isinstance(s, Categories) else x[..., i : i + 1]
        for i, s in enumerate(columns)
    ]
    return torch.cat(each, dim=-1)


def with_context(row: Tensor, context: Tensor | None) -> Tensor:
    """``row`` (*batch, width) with the context behind it, where there is one."""
    if context is None:
        return row
    return torch.cat([row, context.expand(*row.shape[:-1], -1)], dim=-1)
