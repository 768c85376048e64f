"""The rational-quadratic spline."""

from __future__ import annotations

import torch
from torch import Tensor

from diffeo.supports import Interval
from diffeo.univariates.bounded import soft_bound
from diffeo.univariates.univariate import Univariate

__all__ = ["RationalQuadraticSpline"]


class RationalQuadraticSpline(Univariate):
    """Monotone rational-quadratic spline on ``interval``, the identity outside it.

    In the bin of ``x``, with knots (x_k, y_k), knot slopes d_k, secant slope
    s = (y_{k+1} - y_k) / (x_{k+1} - x_k) and t = (x - x_k) / (x_{k+1} - x_k) in [0, 1],

        y = y_k + (y_{k+1} - y_k) (s t^2 + d_k t (1 - t)) / (s + (d_{k+1} + d_k - 2s) t (1 - t)).

    The slopes at both ends of the interval are 1, so that the tails join smoothly. Slopes at the
    knots lie in (1/1000, 1000); no bin is narrower than ``min_fraction`` of the interval.

    Parameters: ``bins`` widths and ``bins`` heights (before softmax), ``bins - 1`` inner
    log-slopes.

    Args:
        bins: number of bins, at least 2.
        interval: (low, high), where the spline bends.
        min_fraction: least width and height of a bin as a share of the interval's length.

    Raises:
        ValueError: fewer than 2 bins, an empty interval, or bins that cannot all have
            ``min_fraction``.

    Reference: "Neural Spline Flows", Durkan, Bekasov, Murray, Papamakarios, 2019,
    arXiv:1906.04032.

    Example:
        >>> import torch, diffeo
        >>> spline = diffeo.univariates.RationalQuadraticSpline(bins=4)
        >>> spline.num_params
        11
    """

    def __init__(
        self,
        bins: int = 8,
        interval: tuple[float, float] = (-5.0, 5.0),
        min_fraction: float = 1e-3,
    ) -> None:
        if bins < 2:
            raise ValueError(f"a spline needs at least 2 bins, got {bins}")
        if not 0 < min_fraction * bins < 1:
            raise ValueError(
                f"min_fraction={min_fraction} leaves no room for {bins} bins; "
                f"it must lie between 0 and {1 / bins:g}"
            )
        box = Interval(*interval)
        self.bins = bins
        self.low, self.high = box.low, box.high
        self.min_fraction = min_fraction
        self.num_params = 3 * bins - 1

    def _tables(self, params: Tensor) -> Tensor:
        """(3, bins + 1, ...): x of the knots, y of the knots, and the slopes there."""
        split = 2 * self.bins
        raw = params[:split].unflatten(0, (2, self.bins))
        free = 1 - self.min_fraction * self.bins
        shares = self.min_fraction + free * torch.softmax(raw, dim=1)
        inner = self.low + (self.high - self.low) * torch.cumsum(shares[:, :-1], dim=1)
        table = torch.cat([inner, soft_bound(params[split:]).exp()[None]])
        # built from zeros: older exporters stumble over constants
        edge, slope = torch.zeros_like(table[:2, :1]), torch.ones_like(table[2:, :1])
        low, high = torch.cat([edge + self.low, slope]), torch.cat([edge + self.high, slope])
        return torch.cat([low, table, high], dim=1)

    def _bin(self, value: Tensor, by: int, params: Tensor) -> tuple[Tensor, ...]:
        """x, y and slope at both ends of the bin that holds ``value`` of x (by=0) or y (by=1)."""
        tables = self._tables(params)
        # counting needs no sorted search, which exporters lack
        left = (value >= tables[by, 1:-1]).sum(dim=0)
        index = torch.stack([left, left + 1]).expand(3, 2, *value.shape)
        ends = tables.expand(3, self.bins + 1, *value.shape).gather(1, index)
        return ends.flatten(0, 1).unbind()

    def _clamp(self, value: Tensor) -> tuple[Tensor, Tensor]:
        """``value`` clamped into the interval, and whether it lay inside."""
        # not scaled to [0, 1]: near 0 that would round away most digits of the value
        return value.clamp(self.low, self.high), (value > self.low) & (value < self.high)

    @staticmethod
    def _log_slope(t: Tensor, s: Tensor, d0: Tensor, d1: Tensor) -> Tensor:
        rest = 1 - t
        cross = t * rest
        top = d1 * t * t + 2 * s * cross + d0 * rest * rest
        return 2 * torch.log(s / (s + (d0 + d1 - 2 * s) * cross)) + torch.log(top)

    def forward(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        clamped, inside = self._clamp(x)
        x0, x1, y0, y1, d0, d1 = self._bin(clamped, 0, params)
        s = (y1 - y0) / (x1 - x0)
        t = (clamped - x0) / (x1 - x0)
        cross = t * (1 - t)
        rise = (y1 - y0) * (s * t * t + d0 * cross) / (s + (d0 + d1 - 2 * s) * cross)
        y = torch.where(inside, y0 + rise, x)
        return y, torch.where(inside, self._log_slope(t, s, d0, d1), 0.0)

    def inverse(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        clamped, inside = self._clamp(y)
        x0, x1, y0, y1, d0, d1 = self._bin(clamped, 1, params)
        s = (y1 - y0) / (x1 - x0)
        e = (clamped - y0) / (y1 - y0)
        # the root in [0, 1] of a quadratic, in a form where nothing cancels: both terms under the
        # root are >= 0 and vanish together nowhere, so neither it nor its gradient degenerates
        rest = 1 - e
        q = d0 * rest - d1 * e
        p = q.abs() + torch.sqrt(q * q + 4 * s * s * e * rest)
        t = torch.where(q >= 0, 2 * s * e / (2 * s * e + p), p / (p + 2 * s * rest))
        x = torch.where(inside, x0 + t * (x1 - x0), y)
        return x, torch.where(inside, -self._log_slope(t, s, d0, d1), 0.0)
