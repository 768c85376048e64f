"""The joint density of several columns given others, one factor after another."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from diffeo.tabular.regression.capacity import Capacity
from diffeo.tabular.regression.target import Target

__all__ = ["Chain"]

Array = NDArray[np.float64]

# points by which expectations over earlier outputs are taken
POINTS = 128


class Chain:
    """p(y | x) = prod_j p(y_j | x, y_1, ..., y_{j-1}), each factor fitted on its own.

    One output is exact in every answer. Means and quantiles of later outputs average over the
    earlier ones at fixed points, the same for all rows, so that a row does not depend on others.

    Args:
        x: (rows, features), y (rows, outputs), weight (rows,), as ``Target`` has them.
        capacity: sizes and training of each factor.
        seed: factor j has seed + j.

    Attributes:
        targets: the factors.
    """

    def __init__(self, x: Array, y: Array, weight: Array, capacity: Capacity, seed: int) -> None:
        self.targets = [
            Target(np.hstack([x, y[:, :j]]), y[:, j], weight, capacity, seed + j)
            for j in range(y.shape[1])
        ]

    def log_prob(self, x: Array, y: Array) -> Array:
        """(rows,), in nats."""
        each = [t.log_prob(np.hstack([x, y[:, :j]]), y[:, j]) for j, t in enumerate(self.targets)]
        total: Array = np.sum(each, axis=0)
        return total

    def mean(self, x: Array) -> Array:
        """(rows, outputs)."""
        first = self.targets[0].mean(x)
        if len(self.targets) == 1:
            return first[:, None]
        draws = self._points(x, len(self.targets) - 1)
        rest = [
            self.targets[j].mean(_with_drawn(x, draws[..., :j])).reshape(POINTS, -1).mean(0)
            for j in range(1, len(self.targets))
        ]
        return np.stack([first, *rest], -1)

    def quantiles(self, x: Array, q: Array) -> Array:
        """Marginal quantiles (rows, len(q), outputs)."""
        first = self.targets[0].quantile(x, q[:, None])
        if len(self.targets) == 1:
            return first.T[..., None]
        points = self._points(x, len(self.targets))
        rest = [
            target.rounded(np.quantile(points[..., j], q, axis=0))
            for j, target in enumerate(self.targets)
        ]
        return np.stack([first, *rest[1:]], -1).swapaxes(0, 1)

    def sample(self, x: Array, n: int, generator: torch.Generator) -> Array:
        """(n, rows, outputs)."""
        draws: Array = np.empty((n, len(x), 0))
        for target in self.targets:
            drawn = (
                target.sample(_with_drawn(x, draws), 1, generator)
                if draws.shape[-1]
                else target.sample(x, n, generator)
            )
            draws = np.concatenate([draws, drawn.reshape(n, len(x), 1)], -1)
        return draws

    def _points(self, x: Array, outputs: int) -> Array:
        """Points (POINTS, rows, outputs) that stand for the density of the first outputs."""
        rng = np.random.default_rng(0)
        draws: Array = np.empty((POINTS, len(x), 0))
        for target in self.targets[:outputs]:
            # a stratum each, in an order of its own for every output: a Latin hypercube
            p = (rng.permutation(POINTS) + 0.5)[:, None] / POINTS
            level = np.broadcast_to(p, (POINTS, len(x)))
            drawn = (
                target.quantile(_with_drawn(x, draws), level.reshape(1, -1))
                if draws.shape[-1]
                else target.quantile(x, p)
            )
            draws = np.concatenate([draws, drawn.reshape(POINTS, len(x), 1)], -1)
        return draws


def _with_drawn(x: Array, draws: Array) -> Array:
    """Rows (draws * rows, features + outputs) of x beside the outputs drawn so far."""
    inputs = np.broadcast_to(x, (len(draws), *x.shape))
    joined: Array = np.concatenate([inputs, draws], -1)
    return joined.reshape(-1, joined.shape[-1])
