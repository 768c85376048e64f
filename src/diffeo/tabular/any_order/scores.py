"""Normal scores: a monotone spline for each column that makes its distribution about normal."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from diffeo.transforms.normal_scores import column_knots
from diffeo.univariates.knots import bin_of, both_ends
from diffeo.univariates.rational_quadratic import bend, unbend

__all__ = ["Scores"]

# of different values, for a spline to have anything to follow
FEWEST_VALUES = 5


class Scores(nn.Module):
    """The splines of ``diffeo.transforms.NormalScores``, one value at a time.

    Data to scores, with the log-slope of every value, holes ignored; columns lead.

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
            values = column[column.isfinite()].to("cpu", torch.float64)
            if len(values.unique()) < FEWEST_VALUES:
                z, found, slope = self._line(values, width)
            else:
                z, found, slope = column_knots(values, self.knots - 1)
            self.x[:, i, 0], self.z[:, i, 0], self.slope[:, i, 0] = found, z, 1 / slope

    def _line(self, values: Tensor, step: float) -> tuple[Tensor, Tensor, Tensor]:
        """Scores, values and slopes of a straight line, where there is too little to bend it."""
        z = torch.linspace(-3, 3, self.knots, dtype=torch.float64)
        spread = float(values.std(unbiased=False)) if len(values) else 0.0
        center = values.mean() if len(values) else values.new_zeros(())
        scale = values.new_tensor(max(spread, step) or 1.0)
        return z, center + scale * z, scale.expand_as(z)

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
