"""Pyro: transforms run from base to data; a masked autoregressive one is inverted for a MAF."""

from __future__ import annotations

from pyro.distributions import transforms as T
from pyro.nn import AutoRegressiveNN, DenseNN
from torch import Tensor, nn

from peers.contestant import Architecture, Contestant, TorchContestant

PACKAGE = "pyro-ppl"


class _Pyro(TorchContestant):
    """``module`` lists the layers; after each, the order of the features may be reversed."""

    module: nn.ModuleList

    def __init__(self, layers: list[nn.Module], *, inverted: bool, flips: bool = True) -> None:
        super().__init__(nn.ModuleList(layers))
        self.inverted = inverted
        self.flips = flips

    def to_base(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self._run(x, self.inverted)

    def to_data(self, z: Tensor) -> tuple[Tensor, Tensor]:
        return self._run(z, not self.inverted)

    def _run(self, x: Tensor, forward: bool) -> tuple[Tensor, Tensor]:
        total = x.new_zeros(len(x))
        for layer in self.module if forward else reversed(self.module):
            if forward:
                # a copy: a tensor that the layer has seen would come back from its cache
                given = x.clone()
                out = layer(given)
                total = total + layer.log_abs_det_jacobian(given, out)
                x = out.flip(-1) if self.flips else out
            else:
                given = x.flip(-1) if self.flips else x.clone()
                out = layer.inv(given)
                total = total - layer.log_abs_det_jacobian(out, given)
                x = out
        return x, total


def build(want: Architecture) -> Contestant:
    autoregressive = want.kind.endswith("autoregressive")
    layers = [_layer(want) for _ in range(want.layers)]
    return _Pyro(layers, inverted=autoregressive)


def planar(want: Architecture) -> Contestant:
    layers = [T.planar(want.features) for _ in range(want.layers)]
    return _Pyro(layers, inverted=False, flips=False)


def _layer(want: Architecture) -> nn.Module:
    hidden = list(want.hidden)
    half = want.features // 2
    spline = {"count_bins": want.bins, "bound": want.bound, "order": "quadratic"}
    each = [want.bins, want.bins, want.bins - 1]
    if want.kind == "affine coupling":
        return T.affine_coupling(want.features, hidden_dims=hidden)
    if want.kind == "affine autoregressive":
        return T.affine_autoregressive(want.features, hidden_dims=hidden)
    if want.kind == "RQ coupling":
        network = DenseNN(half, hidden, [(want.features - half) * count for count in each])
        return T.SplineCoupling(want.features, half, network, identity=True, **spline)
    network = AutoRegressiveNN(want.features, hidden, param_dims=each)
    return T.SplineAutoregressive(want.features, network, **spline)
