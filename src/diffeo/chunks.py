"""Rows worked on at a time, so that temporaries do not grow with the number of rows."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

from torch import Tensor, nn

from diffeo.checks import check_count

__all__ = ["SMALL", "by_chunks", "checked_chunk_size", "rows_at_once", "widths_of"]

# bytes of temporaries, by the estimate below, that no chunk of more than one row exceeds
LIMIT = 256 * 2**20
# with which CPUs are fastest: larger chunks leave their caches
CACHED = 128 * 2**20
# ... unless that is so few rows that calling the layers takes longer than their arithmetic
LEAST = 4096
# arrays of a layer's width that live at once in it, or that it keeps for a gradient
LIVE = 12
# numbers in a batch that is one piece whatever the model: looking for its size is not free
SMALL = 8192


def checked_chunk_size(given: int | None) -> int | None:
    """``chunk_size`` as a whole number of at least 1; None stays None.

    Raises:
        ValueError: anything else.
    """
    return None if given is None else check_count("chunk_size", given)


def rows_at_once(
    part: nn.Module, event_shape: tuple[int, ...], like: Tensor, *, graph: bool = False
) -> int:
    """Rows of which ``part`` needs at most ``LIMIT`` bytes of temporaries; on a CPU those that fit
    its caches.

    An estimate: ``LIVE`` arrays as wide as the widest layer, or with ``graph``, when all layers
    keep theirs for a gradient, as all of them together. A part whose width its weights do not
    show says it by an attribute ``row_width``.
    """
    widths = widths_of(part, event_shape)
    bytes_a_row = LIVE * (sum(widths) if graph else max(widths)) * like.element_size()
    rows = LIMIT // bytes_a_row
    if like.device.type == "cpu":
        rows = min(rows, max(LEAST, CACHED // bytes_a_row))
    return max(1, rows)


def widths_of(part: nn.Module, event_shape: tuple[int, ...]) -> list[int]:
    """Numbers a row in an event, and in what each layer inside ``part`` computes."""
    return [math.prod(event_shape), *_widths(part, event_shape)]


def _widths(part: nn.Module, event_shape: tuple[int, ...]) -> Iterator[int]:
    for module in part.modules():
        univariate = getattr(module, "univariate", None)
        if univariate is not None:
            width = getattr(univariate, "row_width", univariate.num_params)
            yield width * math.prod(getattr(module, "in_shape", event_shape))
        weight = getattr(module, "weight", None)
        if isinstance(weight, Tensor) and weight.ndim:
            # a convolution gives each channel for all places of the event
            yield len(weight) * (math.prod(event_shape[1:]) if weight.ndim > 2 else 1)
        yield getattr(module, "row_width", 0)


def by_chunks(
    function: Callable[[Tensor, Tensor | None], Any],
    size: int | None,
    x: Tensor,
    context: Tensor | None,
    event_ndim: int,
) -> Any:
    """``function(x, context)``, computed for at most ``size`` rows at a time.

    Args:
        function: from rows (*batch, *event), and the context that belongs to them, to a tensor
            or a tuple of tensors with the same batch.
        size: None for all rows at once.
        x: (*batch, *event).
        context: (*context_batch, width), broadcast against the batch of ``x``.
        event_ndim: number of axes of an event.
    """
    batch = x.shape[: x.ndim - event_ndim]
    if size is None or math.prod(batch) <= size:
        return function(x, context)
    given = () if context is None else tuple(context.shape[:-1])
    # aligned on the right, as axes that broadcast are
    varies = [False] * (len(batch) - len(given)) + [n > 1 for n in given]
    wholes: tuple[Tensor, ...] = ()
    single = True
    for tile in _tiles(tuple(batch), varies, size):
        found = function(x[tile], None if context is None else _context_of(tile, context))
        single = isinstance(found, Tensor)
        parts: tuple[Tensor, ...] = (found,) if single else found
        # allocated like a part, and so by whatever transform of torch.func is at work
        wholes = wholes or tuple(p.new_empty(*batch, *p.shape[len(batch) :]) for p in parts)
        for whole, part in zip(wholes, parts, strict=True):
            whole[tile] = part
    return wholes[0] if single else wholes


def _tiles(batch: tuple[int, ...], varies: list[bool], size: int) -> Iterator[tuple[slice, ...]]:
    """Boxes of at most ``size`` rows that make up the batch.

    They are long along the axes that share their context, so that what a network makes of a
    context alone is made in few of them.
    """
    lengths = list(batch)
    for axis in sorted(range(len(batch)), key=lambda axis: (varies[axis], -axis)):
        most = min(batch[axis], max(size, 1))
        # of nearly equal length
        lengths[axis] = math.ceil(batch[axis] / math.ceil(batch[axis] / most))
        size //= lengths[axis]
    return itertools.product(
        *(
            [slice(start, start + length) for start in range(0, total, length)]
            for total, length in zip(batch, lengths, strict=True)
        )
    )


def _context_of(tile: tuple[slice, ...], context: Tensor) -> Tensor:
    given = context.shape[:-1]
    own = tile[len(tile) - len(given) :]
    return context[tuple(s if n > 1 else slice(None) for s, n in zip(own, given, strict=True))]
