"""The rational-quadratic spline."""

from __future__ import annotations

import torch
from torch import Tensor

from diffeo.univariates.bounded import soft_bound
from diffeo.univariates.knots import knot_positions, with_ends
from diffeo.univariates.spline import Spline

__all__ = ["RationalQuadraticSpline", "bend", "unbend"]


def bend(
    x: Tensor, x0: Tensor, x1: Tensor, y0: Tensor, y1: Tensor, d0: Tensor, d1: Tensor
) -> tuple[Tensor, Tensor]:
    """``y`` and log dy/dx in the bin from (x0, y0) to (x1, y1), with slopes d0 and d1 there."""
    s = (y1 - y0) / (x1 - x0)
    t = (x - x0) / (x1 - x0)
    cross = t * (1 - t)
    rise = (y1 - y0) * (s * t * t + d0 * cross) / (s + (d0 + d1 - 2 * s) * cross)
    return y0 + rise, _log_slope(t, s, d0, d1)


def unbend(
    y: Tensor, x0: Tensor, x1: Tensor, y0: Tensor, y1: Tensor, d0: Tensor, d1: Tensor
) -> tuple[Tensor, Tensor]:
    """``x`` and log dx/dy in the bin from (x0, y0) to (x1, y1), with slopes d0 and d1 there."""
    s = (y1 - y0) / (x1 - x0)
    e = (y - y0) / (y1 - y0)
    # the root in [0, 1] of a quadratic, in a form where nothing cancels: both terms under the
    # root are >= 0 and vanish together nowhere, so neither it nor its gradient degenerates
    rest = 1 - e
    q = d0 * rest - d1 * e
    p = q.abs() + torch.sqrt(q * q + 4 * s * s * e * rest)
    t = torch.where(q >= 0, 2 * s * e / (2 * s * e + p), p / (p + 2 * s * rest))
    return x0 + t * (x1 - x0), -_log_slope(t, s, d0, d1)


def _log_slope(t: Tensor, s: Tensor, d0: Tensor, d1: Tensor) -> Tensor:
    rest = 1 - t
    cross = t * rest
    top = d1 * t * t + 2 * s * cross + d0 * rest * rest
    return 2 * torch.log(s / (s + (d0 + d1 - 2 * s) * cross)) + torch.log(top)


class RationalQuadraticSpline(Spline):
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

    lossless = True
    per_bin = 3
    fixed = 1

    def _tables(self, params: Tensor) -> Tensor:
        split = 2 * self.bins
        raw = params[:split].unflatten(0, (2, self.bins))
        positions = knot_positions(raw, self.low, self.high, self.min_fraction)
        slopes = soft_bound(params[split:]).exp()[None]
        return torch.cat([positions, with_ends(slopes, 1.0, 1.0)])

    def _bend(self, x: Tensor, *ends: Tensor) -> tuple[Tensor, Tensor]:
        return bend(x, *ends)

    def _unbend(self, y: Tensor, *ends: Tensor) -> tuple[Tensor, Tensor]:
        return unbend(y, *ends)
