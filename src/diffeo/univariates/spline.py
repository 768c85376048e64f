"""What every spline with knots has in common."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from diffeo.supports import Interval
from diffeo.univariates.knots import bin_of, both_ends
from diffeo.univariates.univariate import Univariate

__all__ = ["Spline"]


class Spline(Univariate):
    """A monotone map made of one formula per bin on ``interval``, the identity outside it.

    Args:
        bins: number of bins.
        interval: (low, high), where the spline bends.
        min_fraction: least width and height of a bin as a share of the interval's length.

    Raises:
        ValueError: fewer bins than ``fewest_bins``, an empty interval, or bins that cannot all
            have ``min_fraction``.
    """

    fewest_bins: int = 2
    # num_params = per_bin * bins - fixed
    per_bin: int = 0
    fixed: int = 0

    def __init__(
        self,
        bins: int = 8,
        interval: tuple[float, float] = (-5.0, 5.0),
        min_fraction: float = 1e-3,
    ) -> None:
        if bins < self.fewest_bins:
            raise ValueError(
                f"a {type(self).__name__} needs at least {self.fewest_bins} bins, got {bins}"
            )
        if not 0 < min_fraction * bins < 1:
            raise ValueError(
                f"min_fraction={min_fraction} leaves no room for {bins} bins; "
                f"it must lie between 0 and {1 / bins:g}"
            )
        box = Interval(*interval)
        self.bins = bins
        self.low, self.high = box.low, box.high
        self.min_fraction = min_fraction
        self.num_params = self.per_bin * bins - self.fixed

    @abstractmethod
    def _tables(self, params: Tensor) -> Tensor:
        """(rows, bins + 1, ...): x of the knots, y of the knots, and what else they carry."""

    @abstractmethod
    def _bend(self, x: Tensor, *ends: Tensor) -> tuple[Tensor, Tensor]:
        """``y`` and log dy/dx in a bin, from each row of the tables at its left and right end."""

    @abstractmethod
    def _unbend(self, y: Tensor, *ends: Tensor) -> tuple[Tensor, Tensor]:
        """``x`` and log dx/dy in a bin, from each row of the tables at its left and right end."""

    def _bin(self, value: Tensor, by: int, params: Tensor) -> tuple[Tensor, ...]:
        """The tables at both ends of the bin that holds ``value`` of x (by=0) or y (by=1)."""
        tables = self._tables(params)
        return both_ends(tables, bin_of(value, tables[by]))

    def _clamp(self, value: Tensor) -> tuple[Tensor, Tensor]:
        """``value`` clamped into the interval, and whether it lay inside."""
        # not scaled to [0, 1]: near 0 that would round away most digits of the value
        return value.clamp(self.low, self.high), (value > self.low) & (value < self.high)

    def forward(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        clamped, inside = self._clamp(x)
        y, log_slope = self._bend(clamped, *self._bin(clamped, 0, params))
        return torch.where(inside, y, x), torch.where(inside, log_slope, 0.0)

    def inverse(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        clamped, inside = self._clamp(y)
        x, log_slope = self._unbend(clamped, *self._bin(clamped, 1, params))
        return torch.where(inside, x, y), torch.where(inside, log_slope, 0.0)
