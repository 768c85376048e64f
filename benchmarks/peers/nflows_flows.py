"""nflows: a composite transform runs from data to base."""

from __future__ import annotations

from functools import partial
from typing import Any

from nflows import transforms as T
from torch import Tensor

from peers.contestant import Architecture, Contestant, TorchContestant, alternating, mlp

PACKAGE = "nflows"


class _Nflows(TorchContestant):
    def to_base(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.module(x)

    def to_data(self, z: Tensor) -> tuple[Tensor, Tensor]:
        return self.module.inverse(z)


def build(want: Architecture) -> Contestant:
    spline = {"num_bins": want.bins, "tails": "linear", "tail_bound": want.bound}
    if want.kind == "affine coupling":
        layers = _couplings(want, T.AffineCouplingTransform, {})
    elif want.kind == "RQ coupling":
        layers = _couplings(want, T.PiecewiseRationalQuadraticCouplingTransform, spline)
    elif want.kind == "affine autoregressive":
        layers = _autoregressions(want, T.MaskedAffineAutoregressiveTransform, {})
    else:
        layer = T.MaskedPiecewiseRationalQuadraticAutoregressiveTransform
        layers = _autoregressions(want, layer, spline)
    return _Nflows(T.CompositeTransform(layers))


def _couplings(want: Architecture, layer: Any, options: dict[str, Any]) -> list[T.Transform]:
    network = partial(mlp, hidden=want.hidden)
    return [layer(alternating(want.features, i), network, **options) for i in range(want.layers)]


def _autoregressions(want: Architecture, layer: Any, options: dict[str, Any]) -> list[T.Transform]:
    layers: list[T.Transform] = []
    for i in range(want.layers):
        if i:
            layers.append(T.ReversePermutation(want.features))
        layers.append(
            layer(
                features=want.features,
                hidden_features=want.hidden[0],
                num_blocks=len(want.hidden),  # its input layer has no activation
                use_residual_blocks=False,
                **options,
            )
        )
    return layers
