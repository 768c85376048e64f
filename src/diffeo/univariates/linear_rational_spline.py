"""The linear-rational spline."""

from __future__ import annotations

import torch
from torch import Tensor

from diffeo.univariates.bounded import soft_bound
from diffeo.univariates.knots import knot_positions, with_ends
from diffeo.univariates.spline import Spline

__all__ = ["LinearRationalSpline"]

# each of the two pieces of a bin has at least this share of its width
LEAST_PIECE = 0.01


class LinearRationalSpline(Spline):
    """Monotone linear-rational spline on ``interval``, the identity outside it.

    Each bin, with knots (x_k, y_k), knot slopes d_k, secant slope s and
    t = (x - x_k) / (x_{k+1} - x_k) in [0, 1], falls into two pieces at t = l, where the spline
    passes y_m. With weights w_k = 1, w_{k+1} = sqrt(d_k / d_{k+1}),
    w_m = (l w_k d_k + (1 - l) w_{k+1} d_{k+1}) / s,

        y_m = ((1 - l) w_k y_k + l w_{k+1} y_{k+1}) / ((1 - l) w_k + l w_{k+1}),
        y = (w_k y_k (l - t) + w_m y_m t) / (w_k (l - t) + w_m t)                     for t <= l,
        y = (w_m y_m (1 - t) + w_{k+1} y_{k+1} (t - l)) / (w_m (1 - t) + w_{k+1} (t - l))  beyond.

    Its slope is continuous, and 1 at both ends of the interval, so that the tails join smoothly.
    Slopes at the knots lie in (1/1000, 1000); no bin is narrower than ``min_fraction`` of the
    interval, and l lies in (0.01, 0.99).

    Parameters: ``bins`` widths and ``bins`` heights (before softmax), ``bins - 1`` inner
    log-slopes, ``bins`` l (before a sigmoid).

    Args:
        bins: number of bins, at least 2.
        interval: (low, high), where the spline bends.
        min_fraction: least width and height of a bin as a share of the interval's length.

    Raises:
        ValueError: fewer than 2 bins, an empty interval, or bins that cannot all have
            ``min_fraction``.

    Reference: "Invertible Generative Modeling using Linear Rational Splines", Dolatabadi, Erfani,
    Leckie, 2020, arXiv:2001.05168.

    Example:
        >>> import torch, diffeo
        >>> spline = diffeo.univariates.LinearRationalSpline(bins=4)
        >>> spline.num_params
        15
    """

    lossless = True
    per_bin = 4
    fixed = 1

    def _tables(self, params: Tensor) -> Tensor:
        raw, inner, piece = params.split([2 * self.bins, self.bins - 1, self.bins])
        sides = raw.unflatten(0, (2, self.bins))
        positions = knot_positions(sides, self.low, self.high, self.min_fraction)
        slopes = with_ends(soft_bound(inner).exp()[None], 1.0, 1.0)
        share = LEAST_PIECE + (1 - 2 * LEAST_PIECE) * torch.sigmoid(piece)
        # a bin's share stands at its left knot; the last knot begins no bin
        return torch.cat([positions, slopes, torch.cat([share, share[:1]])[None]])

    def _bend(self, x: Tensor, *ends: Tensor) -> tuple[Tensor, Tensor]:
        x0, x1, y0, y1, d0, d1, share, _ = ends
        secant = (y1 - y0) / (x1 - x0)
        left = x - x0 <= share * (x1 - x0)
        outer, inner, width, height = _piece(left, secant, d0, d1, share)
        # counted from the outer end of the piece, so that both are one formula
        t = torch.where(left, x - x0, x1 - x) / (x1 - x0)
        bottom = outer * (width - t).clamp(min=0) + inner * t
        rise = (y1 - y0) * height * inner * t / bottom
        slope = secant * height * inner * outer * width / (bottom * bottom)
        return torch.where(left, y0 + rise, y1 - rise), slope.log()

    def _unbend(self, y: Tensor, *ends: Tensor) -> tuple[Tensor, Tensor]:
        x0, x1, y0, y1, d0, d1, share, _ = ends
        secant = (y1 - y0) / (x1 - x0)
        left = y - y0 <= _meeting(share, d0, d1) * (y1 - y0)
        outer, inner, width, height = _piece(left, secant, d0, d1, share)
        e = torch.where(left, y - y0, y1 - y) / (y1 - y0)
        bottom = inner * (height - e).clamp(min=0) + outer * e
        run = (x1 - x0) * width * outer * e / bottom
        slope = height * inner * outer * width / (bottom * bottom) / secant
        return torch.where(left, x0 + run, x1 - run), slope.log()


def _meeting(share: Tensor, d0: Tensor, d1: Tensor) -> Tensor:
    """Where the pieces meet, as a share of the bin's height."""
    part = share * d0.sqrt()
    return part / (part + (1 - share) * d1.sqrt())


def _piece(
    left: Tensor, secant: Tensor, d0: Tensor, d1: Tensor, share: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Of the left or the right piece of a bin: the weights at its outer end (a knot) and at its
    inner end, and its width and height as shares of the bin's.

    The weights are those of the class times sqrt(d_{k+1}), which makes one formula of both pieces.
    """
    near, far = torch.where(left, d0, d1).sqrt(), torch.where(left, d1, d0).sqrt()
    width = torch.where(left, share, 1 - share)
    across = width * near + (1 - width) * far
    return far, near * far * across / secant, width, width * near / across
