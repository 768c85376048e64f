"""Masked networks taken position by position, so that a whole inverse costs one pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["Find", "Staircase"]

# a position and its outputs (blocks, rows) to what the network sees of it, (inputs, rows)
Find = Callable[[int, Tensor], Tensor]
Tensors = list[Tensor]

# positions up to this many are taken one after another; longer ranges are halved
RUN = 6


class Staircase:
    """The linear layers of a masked network, whose units are sorted by position.

    Units of position p read positions before p, so each matrix is zero above a staircase. A range
    of positions is taken in halves: what the first half found is added to the second half's
    pre-activations by one product a layer. Every weight below the staircase is used once, in
    products as large as the order allows.

    Nothing is written in place, so that gradients, functorch and tracing pass through. Matrices are
    halved with the ranges, as the gradient of a slice is as large as what it was sliced from.

    Args:
        edges: for what each layer reads, and last for the outputs: units edges[p] to edges[p + 1]
            belong to position p.
        residual: whether every second layer after the first adds to what came two layers before.
    """

    def __init__(self, edges: Sequence[Sequence[int]], *, residual: bool) -> None:
        self.edges = edges
        self.residual = residual

    def climb(self, weights: Tensors, pending: Tensors, find: Find) -> None:
        """Take all positions, in order.

        Args:
            weights: a matrix a layer, rows and columns sorted by position.
            pending: what is added to the layers' units, (units, rows).
            find: called with each position and its outputs (blocks, rows); returns what the
                network sees of it, (inputs, rows).
        """
        self._range(0, len(self.edges[0]) - 1, weights, pending, find)

    def _range(
        self, low: int, high: int, weights: Tensors, pending: Tensors, find: Find
    ) -> list[list[Tensor]]:
        """What each layer reads of the positions from ``low`` to ``high``, in pieces."""
        if high - low <= RUN:
            return self._run(low, high, weights, pending, find)
        middle = (low + high) // 2
        corners, lower, rests = [], [], []
        for index, weight in enumerate(weights):
            rows, columns = self._count(index + 1, low, middle), self._count(index, low, middle)
            upper, below = weight.tensor_split([rows])
            corners.append(upper[:, :columns])
            lower.append(below.tensor_split([columns], dim=1))
            rests.append(pending[index].tensor_split([rows]))
        found = self._range(low, middle, corners, [first for first, _ in rests], find)
        second = [
            _add(rest, left, pieces)
            for (_, rest), (left, _), pieces in zip(rests, lower, found, strict=True)
        ]
        more = self._range(middle, high, [right for _, right in lower], second, find)
        return [a + b for a, b in zip(found, more, strict=True)]

    def _run(
        self, low: int, high: int, weights: Tensors, pending: Tensors, find: Find
    ) -> list[list[Tensor]]:
        """``_range``, one position after another."""
        last = len(weights) - 1
        rest = list(pending)
        found: list[list[Tensor]] = [[] for _ in weights]
        columns = [
            weight.split([self._count(index, p, p + 1) for p in range(low, high)], dim=1)
            for index, weight in enumerate(weights)
        ]
        for p in range(low, high):
            values: list[Tensor] = []
            for index in range(last + 1):
                if index:
                    found[index].append(F.silu(values[-1]))
                    weight = columns[index][p - low][self._count(index + 1, low, p) :]
                    rest[index] = _add(rest[index], weight, found[index][-1:])
                size = self._count(index + 1, p, p + 1)
                value, rest[index] = rest[index][:size], rest[index][size:]
                if self.residual and index % 2 == 0 and 0 < index < last:
                    value = values[-2] + value
                values.append(value)
            found[0].append(find(p, values[-1]))
            # its own units do not see a position
            weight = columns[0][p - low][self._count(1, low, p + 1) :]
            rest[0] = _add(rest[0], weight, found[0][-1:])
        return found

    def _count(self, index: int, low: int, high: int) -> int:
        return self.edges[index][high] - self.edges[index][low]


def _add(pending: Tensor, weight: Tensor, pieces: list[Tensor]) -> Tensor:
    if 0 in weight.shape:
        return pending
    return torch.addmm(pending, weight, pieces[0] if len(pieces) == 1 else torch.cat(pieces))
