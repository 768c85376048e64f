"""Sequences of unequal length as rows, none of them padding."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["Packing"]


class Packing:
    """Where the steps of sequences of given lengths lie among rows.

    Rows go step by step: the first step of all sequences, the second of those that have one, and
    so on, the longest sequence first.

    Args:
        lengths: (sequences,), whole numbers of at least 1.

    Attributes:
        sequence, step: (rows,), the sequence and the step that each row belongs to.
        sizes: for each step, how many sequences have it.
    """

    def __init__(self, lengths: Tensor) -> None:
        ordered, order = lengths.sort(descending=True, stable=True)
        longest = int(ordered[0]) if len(ordered) else 0
        has = ordered > torch.arange(longest, device=lengths.device)[:, None]
        self.step, slot = has.nonzero(as_tuple=True)
        self.sequence = order[slot]
        self.count = len(lengths)
        sizes = has.sum(1)
        self.sizes: list[int] = sizes.tolist()
        # the sequences of a step are the first of those of the step before
        later = torch.arange(self.count, len(slot), device=lengths.device)
        self._previous = later - sizes[self.step[self.count :] - 1]
        starts = sizes.cumsum(0) - sizes
        self._reversed = starts[ordered[slot] - 1 - self.step] + slot

    def of_events(self, x: Tensor) -> Tensor:
        """Rows (rows, *width) of events x (n, steps, *width), which are repeated in turn."""
        return x[self.sequence % max(len(x), 1), self.step]

    def events(self, rows: Tensor, steps: int) -> Tensor:
        """(sequences, steps, *width) of rows (rows, *width), and 0 where a sequence has ended."""
        x = rows.new_zeros(self.count, steps, *rows.shape[1:])
        return x.index_put((self.sequence, self.step), rows)

    def pack(self, x: Tensor) -> Tensor:
        """Rows (rows, *width) of x (steps, sequences, *width)."""
        return x[self.step, self.sequence]

    def unpack(self, rows: Tensor) -> Tensor:
        """(steps, sequences, *width) of rows (rows, *width), and 0 where a sequence has ended."""
        x = rows.new_zeros(len(self.sizes), self.count, *rows.shape[1:])
        return x.index_put((self.step, self.sequence), rows)

    def previous(self, rows: Tensor) -> Tensor:
        """The row one step before each, and 0 before the first."""
        return torch.cat([rows.new_zeros(self.count, *rows.shape[1:]), rows[self._previous]])

    def reverse(self, rows: Tensor) -> Tensor:
        """The rows with the steps of every sequence from the last to the first."""
        return rows[self._reversed]

    def total(self, values: Tensor) -> Tensor:
        """(sequences,): sums of values (rows,) over the steps of each sequence."""
        return values.new_zeros(self.count).index_add(0, self.sequence, values)
