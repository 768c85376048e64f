"""The integral of a small positive network."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from diffeo.univariates.bounded import soft_bound
from diffeo.univariates.constants import constants
from diffeo.univariates.extrapolated import Extrapolated
from diffeo.univariates.mixed import spread

__all__ = ["MonotoneNetwork"]

# bounds on |w_k| and |v_k| within which these nodes give 8 digits, whatever the parameters
STEEPEST, TALLEST = 15.0, 2.0
PANELS, NODES = 8, 12
START_SLOPE = 10.0
# slopes and offsets of units are numbers of order 10
GAIN = 4.0


class MonotoneNetwork(Extrapolated):
    """Integral of a positive network on ``interval``, linear outside it (UMNN).

    With the interval's centre m and half width h, and t = (x - m) / h in [-1, 1],

        y = m + c + h int_0^t g(u) du,   log g(u) = b(v_0 + sum_k v_k tanh(w_k u + b_k)),

    where b bounds log g smoothly, so that the slope lies in (1/1000, 1000). The integral is a
    composite Gauss-Legendre sum of 96 nodes; v_k and w_k are
    bounded, so that the derivative of the sum is g to the 8 digits that the ladj log g(t) needs.
    The inverse is numerical.

    Parameters: c, v_0, and for each unit v, w and b, before their constraints: the network's
    weights themselves, so that a conditioner can predict them. All zero, the map is the identity;
    the units then stand evenly over the interval.

    Args:
        units: hidden units of the network, at least 1.
        interval: (low, high), where the map bends.

    Raises:
        ValueError: no units, or an empty interval.

    Reference: "Unconstrained Monotonic Neural Networks", Wehenkel, Louppe, 2019, arXiv:1908.05164.

    Example:
        >>> import torch, diffeo
        >>> umnn = diffeo.univariates.MonotoneNetwork(units=8)
        >>> y, ladj = umnn.forward(torch.tensor([1.0]), torch.zeros(26, 1))
        >>> round(y.item(), 5), ladj.item()
        (1.0, 0.0)
    """

    def __init__(self, units: int = 8, interval: tuple[float, float] = (-5.0, 5.0)) -> None:
        if units < 1:
            raise ValueError(f"a monotone network needs at least one unit, got {units}")
        super().__init__(interval)
        self.units = units
        self.num_params = 2 + 3 * units
        # numbers at once for each x, by which chunks of rows are chosen
        self.row_width = units * PANELS * NODES
        self._start = spread(units)
        self._nodes, self._weights = _composite_rule(PANELS, NODES)

    def log_integrand(self, t: Tensor, params: Tensor) -> Tensor:
        """log g(t) for t (nodes, ...)."""
        v, w, b = params[2:].unflatten(0, (3, self.units))[:, :, None]
        slope = soft_bound(START_SLOPE + GAIN * w, STEEPEST)
        hidden = torch.tanh(slope * (t - constants(self._start, b)) + GAIN * b)
        return soft_bound(params[1] + (soft_bound(v, TALLEST) * hidden).sum(0))

    def _inside(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        t = (x - self.centre) / self.half
        g = self.log_integrand(t * constants(self._nodes, t[None]), params).exp()
        integral = t * (constants(self._weights, t[None]) * g).sum(0)
        y = self.centre + params[0] + self.half * integral
        return y, self.log_integrand(t[None], params)[0]


def _composite_rule(panels: int, nodes: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Nodes and weights on [0, 1] of Gauss-Legendre rules on equal panels."""
    node, weight = np.polynomial.legendre.leggauss(nodes)
    start = np.arange(panels)[:, None]
    each = (start + (node + 1) / 2) / panels
    weights = np.tile(weight / (2 * panels), panels)
    return tuple(each.ravel().tolist()), tuple(weights.tolist())
