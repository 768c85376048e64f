"""Maps of the circle onto itself: a spline whose ends meet, and a shift of phase."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from diffeo.supports import Circle
from diffeo.supports.scalar import wrap
from diffeo.univariates.bounded import soft_bound
from diffeo.univariates.guards import zero_density_outside
from diffeo.univariates.knots import knot_positions
from diffeo.univariates.rational_quadratic import bend, unbend
from diffeo.univariates.spline import Spline
from diffeo.univariates.univariate import Univariate

__all__ = ["CircularRationalQuadraticSpline", "PhaseShift"]


class CircularRationalQuadraticSpline(Spline):
    """Monotone rational-quadratic spline of the circle, angles from -pi to pi, onto itself.

    Inside the bins it is ``RationalQuadraticSpline``. The point where the ends meet, +-pi, stays
    where it is, and its slope, one and the same on both sides, is free, so that a density on the
    circle is continuous there. ``PhaseShift`` between splines moves that point.

    Parameters: ``bins`` widths and ``bins`` heights (before softmax), ``bins`` log-slopes, the
    first of them at +-pi.

    Args:
        bins: number of bins, at least 2.
        min_fraction: least width and height of a bin as a share of the circle.

    Raises:
        ValueError: fewer than 2 bins, or bins that cannot all have ``min_fraction``.

    Reference: "Normalizing Flows on Tori and Spheres", Rezende, Papamakarios, Racaniere, Albergo,
    Kanwar, Shanahan, Cranmer, 2020, arXiv:2002.02428 (section 2.1.2).

    Example:
        >>> import torch, diffeo
        >>> spline = diffeo.univariates.CircularRationalQuadraticSpline(bins=4)
        >>> spline.forward(torch.tensor([3.0]), torch.zeros(spline.num_params, 1))[0]
        tensor([3.])
    """

    domain = Circle()
    codomain = Circle()
    per_bin = 3

    def __init__(self, bins: int = 8, min_fraction: float = 1e-3) -> None:
        super().__init__(bins, (-math.pi, math.pi), min_fraction)

    def _tables(self, params: Tensor) -> Tensor:
        raw = params[: 2 * self.bins].unflatten(0, (2, self.bins))
        positions = knot_positions(raw, self.low, self.high, self.min_fraction)
        slopes = soft_bound(params[2 * self.bins :]).exp()
        return torch.cat([positions, torch.cat([slopes, slopes[:1]])[None]])

    def _bend(self, x: Tensor, *ends: Tensor) -> tuple[Tensor, Tensor]:
        return bend(x, *ends)

    def _unbend(self, y: Tensor, *ends: Tensor) -> tuple[Tensor, Tensor]:
        return unbend(y, *ends)

    def forward(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        clamped, _ = self._clamp(x)
        y, log_slope = self._bend(clamped, *self._bin(clamped, 0, params))
        # the sum of a bin's start and the rise in it may round beyond the end
        return y.clamp(self.low, self.high), log_slope

    def inverse(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        clamped, _ = self._clamp(y)
        x, log_slope = self._unbend(clamped, *self._bin(clamped, 1, params))
        return x.clamp(self.low, self.high), zero_density_outside(self.codomain, y, log_slope)


class PhaseShift(Univariate):
    """y = x + t, less full turns, with log-derivative 0: a rotation of the circle.

    Parameters: t.

    Reference: "Normalizing Flows on Tori and Spheres", Rezende, Papamakarios, Racaniere, Albergo,
    Kanwar, Shanahan, Cranmer, 2020, arXiv:2002.02428 (section 2.1).

    Example:
        >>> import torch, diffeo
        >>> diffeo.univariates.PhaseShift().forward(torch.tensor([3.0]), torch.ones(1, 1))[0]
        tensor([-2.2832])
    """

    num_params = 1
    domain = Circle()
    codomain = Circle()

    def forward(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        y = wrap(x + params[0])
        return y, torch.zeros_like(y)

    def inverse(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        x = wrap(y - params[0])
        return x, zero_density_outside(self.codomain, y, torch.zeros_like(x))
