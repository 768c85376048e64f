"""What maps on an interval share: linear tails, and the numerical inverse between them."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from diffeo.roots import invert_increasing
from diffeo.supports import Interval
from diffeo.univariates.univariate import Univariate

__all__ = ["Extrapolated"]


class Extrapolated(Univariate):
    """An increasing map on ``interval``, continued beyond it with the slopes at its ends.

    Args:
        interval: (low, high), where the map bends.
    """

    def __init__(self, interval: tuple[float, float]) -> None:
        box = Interval(*interval)
        self.low, self.high = box.low, box.high
        self.centre, self.half = (box.low + box.high) / 2, (box.high - box.low) / 2

    @abstractmethod
    def _inside(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        """``y`` and its log-derivative for ``x`` in the interval, ends included."""

    def forward(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        clamped = x.clamp(self.low, self.high)
        y, log_slope = self._inside(clamped, params)
        # a clamped point has the value and the slope at the end, which is all that a tail needs
        return y + (x - clamped) * log_slope.exp(), log_slope

    def inverse(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        low, high = self._bracket(y.detach(), params.detach())
        return invert_increasing(
            lambda x: self.forward(x, params), y, low, high, type(self).__name__
        )

    def _bracket(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        """The interval where ``y`` is reached inside it; in a tail, the root from both sides."""
        end = torch.full_like(params[0], self.low)
        y_low, slope_low = self._inside(end, params)
        y_high, slope_high = self._inside(torch.full_like(end, self.high), params)
        below = self.low + (y - y_low).clamp(max=0) * torch.exp(-slope_low)
        above = self.high + (y - y_high).clamp(min=0) * torch.exp(-slope_high)
        return torch.where(y > y_high, above, below), torch.where(y < y_low, below, above)
