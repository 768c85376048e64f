"""Checks of arguments, in one place. They read shapes and numbers only, so they trace."""

from __future__ import annotations

import operator

import torch
from torch import Tensor

from diffeo.errors import ContextError, DtypeError, ShapeError

__all__ = [
    "check_batch",
    "check_bits",
    "check_context",
    "check_count",
    "check_event",
    "check_features",
]


def check_features(part: str, features: int) -> None:
    """Raise unless ``features`` is a whole number of at least one."""
    if isinstance(features, bool) or not isinstance(features, int) or features < 1:
        raise ShapeError(f"{part}: features must be a whole number >= 1, got {features!r}")


def check_event(part: object, x: Tensor, shape: tuple[int, ...]) -> None:
    """Raise unless ``x`` ends in the event ``shape``."""
    if tuple(x.shape[x.ndim - len(shape) :]) != shape or x.ndim < len(shape):
        raise ShapeError(
            f"{type(part).__name__}: expected events of shape {shape}, "
            f"i.e. (*batch, {', '.join(map(str, shape))}), got a tensor of shape {tuple(x.shape)}"
        )


def check_context(part: object, context: Tensor | None, width: int) -> None:
    """Raise unless ``context`` is given with ``width`` columns; a width of 0 ignores it."""
    if width == 0:
        return
    name = type(part).__name__
    if context is None:
        raise ContextError(
            f"{name}: conditional on a context of shape (*batch, {width}), but got none; "
            f"pass context="
        )
    if context.ndim == 0 or context.shape[-1] != width:
        raise ContextError(
            f"{name}: expected a context of shape (*batch, {width}), "
            f"got one of shape {tuple(context.shape)}"
        )


def check_batch(
    part: object, x: Tensor, context: Tensor | None, shape: tuple[int, ...], width: int
) -> Tensor:
    """``x`` expanded to the batch that it shares with ``context``.

    Args:
        part: whose error messages these are.
        x: (*batch, *shape).
        context: (*context_batch, width), or None where ``width`` is 0.
        shape: event shape.
        width: context width, 0 where context is ignored.

    Raises:
        ShapeError: events of another shape, or batches that do not broadcast.
        ContextError: missing context, or one of another width.
        DtypeError: context and ``x`` of different floating dtypes.
    """
    check_event(part, x, shape)
    check_context(part, context, width)
    if width == 0 or context is None:
        return x
    if context.dtype != x.dtype and not torch.is_autocast_enabled(x.device.type):
        raise DtypeError(
            f"{type(part).__name__}: x is {x.dtype} and context is {context.dtype}; "
            f"convert one of them, e.g. context.to(x.dtype)"
        )
    batch = x.shape[: x.ndim - len(shape)]
    try:
        common = torch.broadcast_shapes(batch, context.shape[:-1])
    except RuntimeError as error:
        raise ContextError(
            f"{type(part).__name__}: the batch {tuple(batch)} of x does not broadcast "
            f"with the batch {tuple(context.shape[:-1])} of context"
        ) from error
    return x.expand(*common, *shape)


def check_count(name: str, given: int) -> int:
    """``given`` as a whole number of at least 1.

    Raises:
        ValueError: anything else.
    """
    try:
        count = 0 if isinstance(given, bool) else operator.index(given)
    except TypeError:
        count = 0
    if count < 1:
        raise ValueError(f"{name} must be a whole number >= 1, got {given!r}")
    return count


def check_bits(bits: int) -> None:
    """Raise ValueError unless ``bits`` of a pixel are a whole number from 1 to 16."""
    if isinstance(bits, bool) or not isinstance(bits, int) or not 1 <= bits <= 16:
        raise ValueError(f"bits must be a whole number from 1 to 16, got {bits!r}")
