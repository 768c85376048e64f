"""The sigmoidal maps of neural autoregressive flows."""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor

from diffeo.roots import invert_increasing
from diffeo.univariates.bounded import LOG_SCALE_BOUND, soft_bound
from diffeo.univariates.constants import constants
from diffeo.univariates.mixed import mixed_logistic, spread
from diffeo.univariates.univariate import Univariate

__all__ = ["DeepSigmoidal", "DenseSigmoidal"]

# offsets move this much faster than log-slopes: that fits separate modes soonest
OFFSET_GAIN = 4.0


class _Layer:
    """h_i = logit(sum_k w_ik sigmoid(z_k)), z_k = a_k sum_j u_kj h_j + b_k."""

    def __init__(self, inputs: int, units: int, outputs: int, bound: float) -> None:
        self.inputs, self.units, self.outputs, self.bound = inputs, units, outputs, bound
        # one input has weight one
        self.sizes = [units, units, units * outputs, units * inputs if inputs > 1 else 0]
        self.start = spread(units)
        variance = sum(c * c for c in self.start) / units
        # about the slope with which sigmoids so spread average to one of slope one
        self.log_slope = -math.log1p(-3 * variance / math.pi**2) / 2

    def affine(self, params: Tensor) -> tuple[Tensor, Tensor]:
        """log a_k and b_k, (units, ...)."""
        log_slope, offset = params[: 2 * self.units].unflatten(0, (2, self.units))
        offset = OFFSET_GAIN * offset + constants(self.start, offset)
        return soft_bound(log_slope + self.log_slope, self.bound), offset

    def forward(self, h: Tensor, log_slope: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        """(inputs, ...) and log-derivatives to (outputs, ...) and log-derivatives."""
        log_a, offset = self.affine(params)
        _, _, weight, share = params.split(self.sizes)
        if self.inputs > 1:
            share = torch.log_softmax(share.unflatten(0, (self.inputs, self.units)), 0)
            h = (share.exp() * h[:, None]).sum(0)
            log_slope = torch.logsumexp(share + log_slope[:, None], 0)
        z = log_a.exp() * h + offset
        weight = weight.unflatten(0, (self.units, self.outputs))
        if self.outputs > 1:
            weight = weight + self._near(weight)
        log_weight = torch.log_softmax(weight, 0)
        return mixed_logistic(log_weight, z[:, None], (log_a + log_slope)[:, None])

    def _near(self, like: Tensor) -> Tensor:
        """Output i starts with the units around position i, so that outputs differ."""
        unit = constants(self.start, like)
        output = constants(spread(self.outputs), like[0])
        return -2 * (unit - output) ** 2

    def bounds(self, low: Tensor, high: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        """Bounds on the inputs from bounds on the outputs, which lie between the extreme z_k."""
        log_a, offset = self.affine(params)
        scale = torch.exp(-log_a)
        return ((low - offset) * scale).amin(0), ((high - offset) * scale).amax(0)


class DenseSigmoidal(Univariate):
    """Dense sigmoidal flow (DDSF): layers of sigmoidal units, each reading all outputs before.

    With h = x at first, each layer has h_i' = logit(sum_k w_ik sigmoid(z_k)) with
    z_k = a_k sum_j u_kj h_j + b_k, where a_k > 0 and the weights w_i and u_k are positive and sum
    to one; the last layer has one output, y. A thousandth of sum_k w_ik z_k is mixed into h_i', so
    that the slope does not vanish between units far apart. All is computed in the log domain. The
    inverse is numerical; as h_i' lies between the extreme z_k, its bracket is exact.

    Parameters, layer by layer: logs of a, shifts of b over 4, logs of w and (for several inputs) of
    u, before their constraints. All zero, the units are evenly spread and the map is only near the
    identity: units that start alike take long to part.

    Args:
        units: units of each layer, at least 1.
        layers: number of layers, at least 1; with one it is ``DeepSigmoidal``.

    Raises:
        ValueError: units or layers below 1.

    Reference: "Neural Autoregressive Flows", Huang, Krueger, Lacoste, Courville, 2018,
    arXiv:1804.00779.

    Example:
        >>> import diffeo
        >>> diffeo.univariates.DenseSigmoidal(units=4, layers=2).num_params
        52
    """

    def __init__(self, units: int = 8, layers: int = 2) -> None:
        if units < 1 or layers < 1:
            raise ValueError(
                f"sigmoidal units and layers must be at least 1, got units={units}, layers={layers}"
            )
        self.units = units
        self.layers = layers
        widths = [1, *[units] * (layers - 1), 1]
        # so that the slope of the whole stays below 1000
        bound = LOG_SCALE_BOUND / layers
        self._stack = [_Layer(i, units, o, bound) for i, o in itertools.pairwise(widths)]
        self._sizes = [sum(layer.sizes) for layer in self._stack]
        self.num_params = sum(self._sizes)

    def forward(self, x: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        h = x[None]
        log_slope = torch.zeros_like(h)
        for layer, own in zip(self._stack, params.split(self._sizes), strict=True):
            h, log_slope = layer.forward(h, log_slope, own)
        return h[0], log_slope[0]

    def inverse(self, y: Tensor, params: Tensor) -> tuple[Tensor, Tensor]:
        low = high = y.detach()
        each = params.detach().split(self._sizes)
        for layer, own in zip(self._stack[::-1], each[::-1], strict=True):
            low, high = layer.bounds(low, high, own)
        return invert_increasing(
            lambda x: self.forward(x, params), y, low, high, type(self).__name__
        )


class DeepSigmoidal(DenseSigmoidal):
    """Deep sigmoidal flow (DSF): y = logit(sum_k w_k sigmoid(a_k x + b_k)).

    Here a_k > 0, and the weights w_k are positive and sum to one. A thousandth of
    sum_k w_k (a_k x + b_k) is mixed in, so that the slope does not vanish between units far apart.
    All is computed in the log domain: in both tails the map is linear, with a slope near the least
    a_k. The inverse is numerical; as y lies between the extreme a_k x + b_k, its bracket is exact.

    Parameters: ``units`` logs of a, ``units`` shifts of b over 4, and ``units`` logs of w, before
    their constraints. All zero, the units are evenly spread and the map is only near the identity:
    units that start alike take long to part.

    Args:
        units: number of units, at least 1.

    Raises:
        ValueError: no units.

    Reference: "Neural Autoregressive Flows", Huang, Krueger, Lacoste, Courville, 2018,
    arXiv:1804.00779.

    Example:
        >>> import torch, diffeo
        >>> dsf = diffeo.univariates.DeepSigmoidal(units=8)
        >>> y, ladj = dsf.forward(torch.tensor([-1e6, 1e6]), torch.zeros(24, 2))
        >>> bool(ladj.exp().sub(1).abs().max() < 0.1)
        True
    """

    def __init__(self, units: int = 8) -> None:
        super().__init__(units, 1)
