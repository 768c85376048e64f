"""zuko: a lazy transform runs from data to base."""

from __future__ import annotations

from torch import Tensor
from zuko.flows import MAF, NICE, NSF
from zuko.transforms import MonotonicRQSTransform

from peers.contestant import Architecture, Contestant, TorchContestant

PACKAGE = "zuko"


class _Zuko(TorchContestant):
    def to_base(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.module.transform().call_and_ladj(x)

    def to_data(self, z: Tensor) -> tuple[Tensor, Tensor]:
        return self.module.transform().inv.call_and_ladj(z)

    def sample(self, z: Tensor) -> Tensor:
        return self.module.transform().inv(z)


def build(want: Architecture) -> Contestant:
    sizes = {"transforms": want.layers, "hidden_features": want.hidden}
    if want.kind == "affine coupling":
        return _Zuko(NICE(want.features, **sizes))  # affine, in spite of its name
    if want.kind == "affine autoregressive":
        return _Zuko(MAF(want.features, **sizes))
    if want.kind == "RQ autoregressive":
        return _Zuko(NSF(want.features, bins=want.bins, **sizes))
    shapes = [(want.bins,), (want.bins,), (want.bins - 1,)]
    return _Zuko(NICE(want.features, univariate=MonotonicRQSTransform, shapes=shapes, **sizes))
