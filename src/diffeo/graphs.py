"""Directed graphs of features: who sees whom, in which order, and what that says of dependence.

``adjacency[i][j]`` is true where j is a parent of i.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from diffeo.errors import ShapeError

__all__ = ["Adjacency", "as_adjacency", "generations", "separated"]

Adjacency = Sequence[Sequence[bool]] | Tensor


def as_adjacency(part: str, given: Adjacency, features: int) -> Tensor:
    """``given`` as booleans (features, features).

    Raises:
        ShapeError: another shape, or values besides 0 and 1.
    """
    try:
        matrix = torch.as_tensor(given).detach().cpu()
    except (TypeError, ValueError) as error:
        raise ShapeError(f"{part}: the adjacency is no matrix: {error}") from error
    if tuple(matrix.shape) != (features, features):
        raise ShapeError(
            f"{part}: the adjacency of {features} features must have shape "
            f"({features}, {features}), got {tuple(matrix.shape)}"
        )
    if not bool(((matrix == 0) | (matrix == 1)).all()):
        raise ShapeError(f"{part}: the adjacency must hold booleans (or 0 and 1)")
    return matrix.bool()


def generations(part: str, adjacency: Tensor) -> list[list[int]]:
    """The features in generations, each of which has its parents in those before it.

    Their number is the length of the longest path, counted in features.

    Raises:
        ShapeError: a cycle, which it shows.
    """
    left, found = set(range(len(adjacency))), []
    while left:
        waits = {i for i in left if left & set(adjacency[i].nonzero()[:, 0].tolist())}
        if waits == left:
            path = " -> ".join(map(str, _cycle(adjacency, left)))
            raise ShapeError(
                f"{part}: the adjacency must have no cycle (adjacency[i][j] makes j a parent of "
                f"i), but it has {path}"
            )
        found.append(sorted(left - waits))
        left = waits
    return found


def _cycle(adjacency: Tensor, among: set[int]) -> list[int]:
    """A cycle from parent to child, its first feature repeated, where each has a parent."""
    walk = [min(among)]
    while walk[-1] not in walk[:-1]:
        walk.append(min(among & set(adjacency[walk[-1]].nonzero()[:, 0].tolist())))
    return walk[walk.index(walk[-1]) :][::-1]


def separated(adjacency: Tensor, a: int, b: int, given: Iterable[int]) -> bool:
    """Whether ``given`` separates a and b: no path between them in the moral graph of their
    ancestors (parents of a common child married, arrows forgotten) avoids it.
    """
    known = set(given)
    kept = _reached(adjacency, {a, b} | known, set())
    ancestors = torch.zeros(len(adjacency), dtype=torch.bool)
    ancestors[list(kept)] = True
    family = (adjacency | torch.eye(len(adjacency), dtype=torch.bool)) & ancestors[:, None]
    moral = (family.T.int() @ family.int()) > 0
    return b not in _reached(moral, {a}, known)


def _reached(neighbours: Tensor, start: set[int], walls: set[int]) -> set[int]:
    """What can be reached from ``start`` along rows of a matrix without entering ``walls``."""
    found, new = set(start), set(start)
    while new:
        after = {j for i in new for j in neighbours[i].nonzero()[:, 0].tolist()}
        new = after - found - walls
        found |= new
    return found
