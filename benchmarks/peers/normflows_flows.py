"""normflows: layers run from base to data; affine networks start at zero, as in its README."""

from __future__ import annotations

from functools import partial

import normflows as nf
from normflows.flows.neural_spline.autoregressive import (
    MaskedPiecewiseRationalQuadraticAutoregressive,
)
from normflows.flows.neural_spline.coupling import PiecewiseRationalQuadraticCoupling
from torch import Tensor, nn

from peers.contestant import Architecture, Contestant, TorchContestant, alternating, mlp

PACKAGE = "normflows"


class _Normflows(TorchContestant):
    """``module`` lists the layers from base to data."""

    module: nn.ModuleList

    def to_base(self, x: Tensor) -> tuple[Tensor, Tensor]:
        total = x.new_zeros(len(x))
        for layer in reversed(self.module):
            x, ladj = layer.inverse(x)
            total = total + ladj.view(-1)
        return x, total

    def to_data(self, z: Tensor) -> tuple[Tensor, Tensor]:
        total = z.new_zeros(len(z))
        for layer in self.module:
            z, ladj = layer(z)
            total = total + ladj.view(-1)
        return z, total


def build(want: Architecture) -> Contestant:
    spline = {"num_bins": want.bins, "tails": "linear", "tail_bound": want.bound}
    made = {
        "features": want.features,
        "hidden_features": want.hidden[0],
        "num_blocks": len(want.hidden),
        "use_residual_blocks": False,
    }
    swap = partial(nf.flows.Permute, want.features, mode="swap")
    layers: list[nf.flows.Flow] = []
    for i in range(want.layers):
        if want.kind == "affine coupling":
            half = want.features // 2
            first = want.features - half  # it sees the larger part
            network = nf.nets.MLP([first, *want.hidden, 2 * half], init_zeros=True)
            layers += [nf.flows.AffineCouplingBlock(network), swap()]
        elif want.kind == "RQ coupling":
            mask = alternating(want.features, i)
            network = partial(mlp, hidden=want.hidden)
            # these classes run from data to base, so Reverse turns them round
            layers += [
                nf.flows.Reverse(PiecewiseRationalQuadraticCoupling(mask, network, **spline))
            ]
        elif want.kind == "affine autoregressive":
            layers += [nf.flows.Reverse(nf.flows.MaskedAffineAutoregressive(**made)), swap()]
        else:
            layer = MaskedPiecewiseRationalQuadraticAutoregressive(**made, **spline)
            layers += [nf.flows.Reverse(layer), swap()]
    return _Normflows(nn.ModuleList(layers))


def planar(want: Architecture) -> Contestant:
    return _Normflows(
        nn.ModuleList([nf.flows.Planar((want.features,)) for _ in range(want.layers)])
    )
