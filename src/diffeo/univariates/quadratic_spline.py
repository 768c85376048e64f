"""The quadratic spline."""

from __future__ import annotations

import torch
from torch import Tensor

from diffeo.univariates.bounded import soft_bound
from diffeo.univariates.knots import shares, with_ends
from diffeo.univariates.spline import Spline

__all__ = ["QuadraticSpline"]


class QuadraticSpline(Spline):
    """Monotone piecewise-quadratic map on ``interval``, the identity outside it.

    Its slope v is linear between knots: in the bin of ``x``, with t = (x - x_k) / w and
    w = x_{k+1} - x_k,

        y = y_k + w (v_k t + (v_{k+1} - v_k) t^2 / 2),   y_{k+1} = y_k + w (v_k + v_{k+1}) / 2.

    The slopes at both ends of the interval are 1, so that the tails join without a jump of the
    density; the inner ones are scaled together so that the interval maps onto itself. With 2 bins
    that leaves the identity alone, so it takes at least 3.

    Parameters: ``bins`` widths (before softmax), ``bins - 1`` inner log-slopes (up to a common
    constant).

    Args:
        bins: number of bins, at least 3.
        interval: (low, high), where the spline bends.
        min_fraction: least width of a bin as a share of the interval's length, and least slope.

    Raises:
        ValueError: fewer than 3 bins, an empty interval, or bins that cannot all have
            ``min_fraction``.

    Reference: "Neural Importance Sampling", Mueller, McWilliams, Rousselle, Gross, Novak, 2018,
    arXiv:1808.03856.

    Example:
        >>> import torch, diffeo
        >>> spline = diffeo.univariates.QuadraticSpline(bins=4)
        >>> spline.num_params
        7
    """

    fewest_bins = 3
    lossless = True
    per_bin = 2
    fixed = 1

    def _tables(self, params: Tensor) -> Tensor:
        width = shares(params[None, : self.bins], self.min_fraction, dim=1)
        slopes = self._slopes(width, params[None, self.bins :])
        height = width * (slopes[:, :-1] + slopes[:, 1:]) / 2
        inner = torch.cat([width, height])[:, :-1].cumsum(1)
        length = self.high - self.low
        return torch.cat([with_ends(self.low + length * inner, self.low, self.high), slopes])

    def _slopes(self, width: Tensor, raw: Tensor) -> Tensor:
        """(1, bins + 1, ...): slopes at the knots, 1 at both ends and 1 on average."""
        inner = soft_bound(raw).exp()
        area = (inner * (width[:, :-1] + width[:, 1:])).sum(1, keepdim=True)
        # what the two ends leave of the area
        scale = (2 - width[:, :1] - width[:, -1:]) / area
        least = self.min_fraction
        return with_ends(least + (1 - least) * scale * inner, 1.0, 1.0)

    def _bend(self, x: Tensor, *ends: Tensor) -> tuple[Tensor, Tensor]:
        x0, x1, y0, _, v0, v1 = ends
        t = (x - x0) / (x1 - x0)
        # a sum of terms >= 0
        y = y0 + (x - x0) * (v0 * (2 - t) + v1 * t) / 2
        return y, torch.log(v0 * (1 - t) + v1 * t)

    def _unbend(self, y: Tensor, *ends: Tensor) -> tuple[Tensor, Tensor]:
        x0, x1, y0, _, v0, v1 = ends
        height = (x1 - x0) * (v0 + v1) / 2
        # not y1 - y0, in which a low bin loses its digits; it may round past the bin's end
        e = ((y - y0) / height).clamp(max=1)
        # the slope at the root, under whose root nothing cancels
        v = torch.sqrt(v0 * v0 * (1 - e) + v1 * v1 * e)
        return x0 + 2 * e * height / (v0 + v), -v.log()
