"""The linear spline."""

from __future__ import annotations

import torch
from torch import Tensor

from diffeo.univariates.knots import knot_positions
from diffeo.univariates.spline import Spline

__all__ = ["LinearSpline"]


class LinearSpline(Spline):
    """Monotone piecewise-linear map on ``interval``, the identity outside it.

    Between evenly spaced knots x_k, with y_k from softmax shares of the interval,

        y = y_k + (y_{k+1} - y_k) (x - x_k) / (x_{k+1} - x_k).

    Its density is a histogram: constant in each bin, with jumps at the knots.

    Parameters: ``bins`` heights (before softmax).

    Args:
        bins: number of bins, at least 2.
        interval: (low, high), where the spline bends.
        min_fraction: least height of a bin as a share of the interval's length.

    Raises:
        ValueError: fewer than 2 bins, an empty interval, or bins that cannot all have
            ``min_fraction``.

    Reference: "Neural Importance Sampling", Mueller, McWilliams, Rousselle, Gross, Novak, 2018,
    arXiv:1808.03856.

    Example:
        >>> import torch, diffeo
        >>> spline = diffeo.univariates.LinearSpline(2, interval=(0.0, 1.0))
        >>> shares = torch.tensor([[0.25], [0.75]])
        >>> spline.forward(torch.full((1,), 0.5), shares.log())[0]
        tensor([0.2505])
    """

    lossless = True
    per_bin = 1

    def _tables(self, params: Tensor) -> Tensor:
        # equal logits: equal widths
        raw = torch.stack([torch.zeros_like(params), params])
        return knot_positions(raw, self.low, self.high, self.min_fraction)

    def _bend(self, x: Tensor, *ends: Tensor) -> tuple[Tensor, Tensor]:
        x0, x1, y0, y1 = ends
        slope = (y1 - y0) / (x1 - x0)
        return y0 + slope * (x - x0), slope.log()

    def _unbend(self, y: Tensor, *ends: Tensor) -> tuple[Tensor, Tensor]:
        x0, x1, y0, y1 = ends
        slope = (x1 - x0) / (y1 - y0)
        return x0 + slope * (y - y0), slope.log()
