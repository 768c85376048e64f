"""Normal scores: a monotone spline for each column that makes its distribution about normal."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from diffeo.arrays import Floats
from diffeo.univariates.knots import bin_of, both_ends
from diffeo.univariates.rational_quadratic import bend, unbend

__all__ = ["Scores"]

# rows for each knot, so that a spline does not follow the noise of its quantiles
ROWS_PER_KNOT = 40
# scores grow at most so many times faster than standardised values
STEEPEST = 1e3


class Scores(nn.Module):
    """Monotone rational-quadratic splines through normal quantiles, with linear tails.

    Args:
        columns: number of columns.
        knots: of each spline.
    """

    x: Tensor
    z: Tensor
    slope: Tensor

    def __init__(self, columns: int, knots: int) -> None:
        super().__init__()
        self.knots = knots
        line = torch.linspace(-3, 3, knots)[:, None, None].repeat(1, columns, 1)
        self.register_buffer("x", line.clone())
        self.register_buffer("z", line.clone())
        self.register_buffer("slope", torch.ones_like(line))

    def initialize(self, x: Tensor, step: Tensor) -> None:
        """Set the splines from (columns, rows), with NaN for holes, and the columns' steps."""
        for i, (column, width) in enumerate(zip(x, step.flatten().tolist(), strict=True)):
            values = column[column.isfinite()].double().cpu().numpy()
            for name, found in zip(
                ("x", "z", "slope"), _spline(values, width, self.knots), strict=True
            ):
                getattr(self, name)[:, i, 0] = torch.as_tensor(found)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Scores and their log-slopes, both (columns, rows)."""
        inside = (x > self.x[0]) & (x < self.x[-1])
        clamped = x.clamp(self.x[0], self.x[-1])
        z, log_slope = bend(clamped, *self._bin(clamped, self.x))
        low = x < self.x[1]
        slope = torch.where(low, self.slope[0], self.slope[-1])
        off = x - torch.where(low, self.x[0], self.x[-1])
        tail = torch.where(low, self.z[0], self.z[-1]) + slope * off
        return torch.where(inside, z, tail), torch.where(inside, log_slope, slope.log())

    def inverse(self, z: Tensor) -> Tensor:
        """Values with the scores (columns, rows)."""
        inside = (z > self.z[0]) & (z < self.z[-1])
        clamped = z.clamp(self.z[0], self.z[-1])
        x, _ = unbend(clamped, *self._bin(clamped, self.z))
        low = z < self.z[1]
        slope = torch.where(low, self.slope[0], self.slope[-1])
        off = z - torch.where(low, self.z[0], self.z[-1])
        return torch.where(inside, x, torch.where(low, self.x[0], self.x[-1]) + off / slope)

    def _bin(self, value: Tensor, knots: Tensor) -> tuple[Tensor, ...]:
        return both_ends(torch.stack((self.x, self.z, self.slope)), bin_of(value, knots))


def _spline(values: Floats, step: float, knots: int) -> tuple[Floats, ...]:
    """x, z and slopes of the knots, at quantiles evenly spaced in z; spare ones on the tail."""
    if len(values) < 4 or values.min() == values.max():
        centre = float(values.mean()) if len(values) else 0.0
        return _line(centre, max(step, 1.0), knots)
    distinct, counts = np.unique(values, return_counts=True)
    middle = (np.cumsum(counts) - counts / 2) / len(values)
    score = torch.special.ndtri(torch.from_numpy(middle)).numpy()
    wanted = int(np.clip(len(values) // ROWS_PER_KNOT, 3, min(knots, max(3, len(distinct)))))
    # the outermost value of a small table says little: the tails begin at the fifth
    end = float(
        torch.special.ndtri(torch.tensor(1 - 5.0 / max(len(values), 20), dtype=torch.float64))
    )
    z = np.linspace(max(-end, score[0]), min(end, score[-1]), wanted)
    if len(distinct) < 3 or z[-1] - z[0] < 1e-3:
        return _line(float(values.mean()), max(float(values.std()), step), knots)
    x = np.interp(z, score, distinct)
    least = np.diff(z) * values.std() / STEEPEST
    x = x[0] + np.concatenate([[0.0], np.cumsum(np.maximum(np.diff(x), least))])
    secants = np.diff(z) / np.diff(x)
    harmonic = 2 / (1 / secants[1:] + 1 / secants[:-1])
    slope: Floats = np.concatenate([secants[:1], harmonic, secants[-1:]])
    return _padded(x, z, slope, knots)


def _line(centre: float, scale: float, knots: int) -> tuple[Floats, ...]:
    z: Floats = np.linspace(-3.0, 3.0, knots, dtype=np.float64)
    x: Floats = centre + scale * z
    return x, z, np.full(knots, 1.0 / scale, dtype=np.float64)


def _padded(x: Floats, z: Floats, slope: Floats, knots: int) -> tuple[Floats, ...]:
    """As many knots as asked for: the last tail continues in a straight line."""
    more = np.arange(1, knots - len(x) + 1) * 0.1
    return (
        np.concatenate([x, x[-1] + more / slope[-1]]),
        np.concatenate([z, z[-1] + more]),
        np.concatenate([slope, np.full(len(more), slope[-1])]),
    )
