"""The density of one column given others."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from diffeo.tabular.regression.capacity import Capacity
from diffeo.tabular.regression.cross_fit import Rows, cross_fit
from diffeo.tabular.regression.ensemble import LogisticEnsemble
from diffeo.tabular.regression.logistics import Logistics
from diffeo.training.ties import find_resolutions

__all__ = ["Target"]

Array = NDArray[np.float64]

# mixtures that are worked on at a time
CHUNK = 1 << 15


class Target:
    """p(y | x) of one column, fitted: an ensemble's mixture of logistics, exact in every answer.

    Args:
        x: (rows, features), finite.
        y: (rows,), finite and not constant; at least 2 rows.
        weight: (rows,), positive.
        capacity: sizes and training.
        seed: decides weights, folds and batches.

    Attributes:
        step: the resolution to which y is rounded; 0 where its values hardly repeat.
        held_out: mean log-likelihood of rows left out of the training of the members that score
            them (but by which they were stopped: a little high), in nats and y's units.
    """

    def __init__(self, x: Array, y: Array, weight: Array, capacity: Capacity, seed: int) -> None:
        self.mean_x, scale_x = _moments(x)
        # a constant column says nothing, whatever it holds later
        self.rate_x = np.divide(1.0, scale_x, out=np.zeros_like(scale_x), where=scale_x > 0)
        mean, scale = _moments(y[:, None])
        self.location, self.scale = float(mean[0]), float(scale[0])
        self.step = float(find_resolutions(torch.from_numpy(y[:, None]))[0])
        self.origin = float(y.min())
        inputs = self._inputs(x)
        self.ensemble = LogisticEnsemble(x.shape[1], capacity, seed)
        self.ensemble.initialize(inputs)
        shares = torch.from_numpy(weight / weight.mean()).float()
        outputs = torch.from_numpy((y - self.location) / self.scale).float()
        rows = Rows(inputs, outputs, shares, self.step / self.scale)
        held_out = cross_fit(self.ensemble, rows, capacity, seed)
        self.held_out = held_out - float(np.log(self.scale))

    def _inputs(self, x: Array) -> Tensor:
        return torch.from_numpy((x - self.mean_x) * self.rate_x).float()

    @torch.no_grad()
    def _by_chunks(
        self, function: Callable[[Logistics, slice], Tensor], x: Array, draws: int = 1
    ) -> Array:
        """``function`` of the mixtures at rows of x, whose last axis is rows, joined over rows."""
        rows = max(1, CHUNK // draws)
        parts = []
        for start in range(0, len(x), rows):
            at = slice(start, start + rows)
            mixture = self.ensemble.mixture(self._inputs(x[at])).double()
            parts.append(function(mixture, at))
        result: Array = torch.cat(parts, -1).numpy()
        return result

    def log_prob(self, x: Array, y: Array) -> Array:
        """log p(y | x) (rows,) at x (rows, features), y (rows,), per unit of y."""
        z = torch.from_numpy((y - self.location) / self.scale)
        step = self.step / self.scale
        log_prob = self._by_chunks(lambda mixture, at: mixture.log_prob(z[at], step), x)
        return log_prob - np.log(self.scale)

    def mean(self, x: Array) -> Array:
        """E[y | x] (rows,), of y as it is rounded."""
        origin, step = (self.origin - self.location) / self.scale, self.step / self.scale

        def mean(mixture: Logistics, _: slice) -> Tensor:
            # where in its cell the mass of a rounded value lies, no likelihood can tell
            return mixture.rounded_mean(origin, step) if step > 0 else mixture.mean()

        return self.location + self.scale * self._by_chunks(mean, x)

    def quantile(self, x: Array, p: Array) -> Array:
        """The least y with P(Y <= y | x) >= p, for p (draws, rows) or (draws, 1) -> (draws, rows).

        Of a rounded y it is on the lattice: P(Y <= v) = F(v + step/2), so it is the nearest point
        to the quantile of F.
        """
        levels = torch.from_numpy(np.broadcast_to(p, (len(p), len(x))).copy())
        z = self._by_chunks(
            lambda mixture, at: mixture.repeated(len(p)).quantile(levels[:, at]), x, len(p)
        )
        return self.rounded(self.location + self.scale * z)

    def sample(self, x: Array, n: int, generator: torch.Generator) -> Array:
        """Draws (n, rows), on the lattice of y's resolution where it has one."""
        z = self._by_chunks(lambda mixture, _: mixture.sample(n, generator), x, n)
        return self.rounded(self.location + self.scale * z)

    def rounded(self, y: Array) -> Array:
        """y as it would have been written down."""
        if self.step == 0:
            return y
        return self.origin + self.step * np.round((y - self.origin) / self.step)


def _moments(x: Array) -> tuple[Array, Array]:
    """Mean and standard deviation of columns; 0 where rounding is all that varies."""
    mean = x.mean(0)
    scale = x.std(0)
    return mean, np.where(scale > 1e-12 * np.abs(mean), scale, 0.0)
