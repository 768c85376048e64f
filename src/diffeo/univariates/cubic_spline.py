"""The cubic spline."""

from __future__ import annotations

import torch
from torch import Tensor

from diffeo.roots import invert_increasing
from diffeo.univariates.knots import knot_positions
from diffeo.univariates.spline import Spline

__all__ = ["CubicSpline"]


class CubicSpline(Spline):
    """Monotone piecewise-cubic map on ``interval``, the identity outside it.

    In the bin of ``x``, with knots (x_k, y_k), knot slopes d_k, secant slope
    s_k = (y_{k+1} - y_k) / (x_{k+1} - x_k), a = d_k / s_k, b = d_{k+1} / s_k and
    t = (x - x_k) / (x_{k+1} - x_k) in [0, 1],

        y = y_k + (y_{k+1} - y_k) (a t (1 - t)^2 + (3 - b) t^2 (1 - t) + t^3).

    Steffen's slopes make it monotone, and its density continuous: at an inner knot
    d_k = min(2 s_{k-1}, 2 s_k, p_k), where p_k is the slope of the parabola through the three
    knots around. At the ends of the interval d = min(1, 2 s): the tails join smoothly unless the
    last bin is flatter than 1/2. (The paper learns those two slopes, so that its density jumps.)

    The inverse is numerical, by bracketed Newton steps within the bin.

    Parameters: ``bins`` widths and ``bins`` heights (before softmax).

    Args:
        bins: number of bins, at least 2.
        interval: (low, high), where the spline bends.
        min_fraction: least width and height of a bin as a share of the interval's length.

    Raises:
        ValueError: fewer than 2 bins, an empty interval, or bins that cannot all have
            ``min_fraction``.

    Reference: "Cubic-Spline Flows", Durkan, Bekasov, Murray, Papamakarios, 2019,
    arXiv:1906.02145; "A simple method for monotonic interpolation in one dimension", Steffen,
    1990.

    Example:
        >>> import torch, diffeo
        >>> spline = diffeo.univariates.CubicSpline(bins=4)
        >>> spline.num_params
        8
    """

    per_bin = 2

    def _tables(self, params: Tensor) -> Tensor:
        raw = params.unflatten(0, (2, self.bins))
        positions = knot_positions(raw, self.low, self.high, self.min_fraction)
        width, height = positions.diff(dim=1).unbind()
        return torch.cat([positions, _slopes(width, height)[None]])

    def _bend(self, x: Tensor, *ends: Tensor) -> tuple[Tensor, Tensor]:
        x0, x1, y0, y1, a, b, log_secant = _scaled(*ends)
        e, log_slope = _share((x - x0) / (x1 - x0), a, b)
        return y0 + (y1 - y0) * e, log_slope + log_secant

    def _unbend(self, y: Tensor, *ends: Tensor) -> tuple[Tensor, Tensor]:
        x0, x1, y0, y1, a, b, log_secant = _scaled(*ends)
        e = (y - y0) / (y1 - y0)
        low, high = torch.zeros_like(e), torch.ones_like(e)
        t, log_slope = invert_increasing(lambda t: _share(t, a, b), e, low, high, "CubicSpline")
        return x0 + t * (x1 - x0), log_slope - log_secant


def _slopes(width: Tensor, height: Tensor) -> Tensor:
    """Steffen's slopes at the knots (bins + 1, ...), from the bins' sizes (bins, ...)."""
    secant = height / width
    before, after = secant[:-1], secant[1:]
    parabola = (before * width[1:] + after * width[:-1]) / (width[:-1] + width[1:])
    inner = torch.minimum(2 * torch.minimum(before, after), parabola)
    first, last = (2 * secant[:1]).clamp(max=1), (2 * secant[-1:]).clamp(max=1)
    return torch.cat([first, inner, last])


def _scaled(
    x0: Tensor, x1: Tensor, y0: Tensor, y1: Tensor, d0: Tensor, d1: Tensor
) -> tuple[Tensor, ...]:
    """A bin's corners, the slopes at its ends over its secant slope, and that slope's logarithm."""
    secant = (y1 - y0) / (x1 - x0)
    return x0, x1, y0, y1, d0 / secant, d1 / secant, secant.log()


def _share(t: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """The share of a bin's height at the share ``t`` of its width, and its log-slope."""
    rest = 1 - t
    # Bernstein's form: with a and b at most 2 every term is >= 0
    e = t * (a * rest * rest + (3 - b) * t * rest + t * t)
    slope = a * rest * rest + 2 * (3 - a - b) * t * rest + b * t * t
    return e, slope.log()
