"""Long sequences, a window at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from diffeo.models.sequences.alphabet import Codes

__all__ = ["cut", "spans"]


def cut(sequences: Sequence[Codes], length: int, hop: int) -> Codes:
    """Windows (n, length) of sequences, ``hop`` apart; -1 behind the end of those that are shorter.

    The last window of a longer sequence ends where the sequence does, except that it starts at a
    multiple of ``hop``.
    """
    rows = []
    for row in sequences:
        last = -(-max(len(row) - length, 0) // hop) * hop
        for start in range(0, last + 1, hop):
            part = row[start : start + length]
            rows.append(np.pad(part, (0, length - len(part)), constant_values=-1))
    return np.stack(rows)


def spans(total: int, length: int, context: int) -> Iterator[tuple[int, int, int]]:
    """Windows from ``start`` to ``end`` that count symbols from ``first`` on, each symbol once.

    Args:
        total: symbols of the sequence.
        length: of a window.
        context: symbols at the start of every window but the first that do not count again.
    """
    start, first = 0, 0
    while first < total:
        end = min(start + length, total)
        yield start, first, end
        start, first = end - context, end
