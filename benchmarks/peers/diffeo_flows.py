"""diffeo's flows: the named models with their defaults, and a bare stack of couplings."""

from __future__ import annotations

from torch import Tensor

from diffeo import MAF, NSF, Flow, RealNVP, Sequential
from diffeo.bases import StandardNormal
from diffeo.transforms import Coupling
from diffeo.univariates import RationalQuadraticSpline
from peers.contestant import Architecture, Contestant, TorchContestant, alternating

PACKAGE = "diffeo"


class _Diffeo(TorchContestant):
    module: Flow

    def to_base(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.module.transform.inverse(x)

    def to_data(self, z: Tensor) -> tuple[Tensor, Tensor]:
        return self.module.transform(z)


def build(want: Architecture) -> Contestant:
    sizes = {"layers": want.layers, "hidden": want.hidden}
    spline = {**sizes, "bins": want.bins, "interval": (-want.bound, want.bound)}
    if want.kind == "affine coupling":
        return _Diffeo(RealNVP(want.features, **sizes))
    if want.kind == "affine autoregressive":
        return _Diffeo(MAF(want.features, **sizes))
    return _Diffeo(NSF(want.features, **spline, autoregressive=want.kind == "RQ autoregressive"))


def couplings(want: Architecture) -> TorchContestant:
    """RQ-spline couplings and nothing else, as the peers' stacks are."""
    spline = RationalQuadraticSpline(want.bins, (-want.bound, want.bound))
    layers = [
        Coupling(
            want.features,
            spline,
            mask=alternating(want.features, i),
            hidden=want.hidden,
        )
        for i in range(want.layers)
    ]
    return _Diffeo(Flow(StandardNormal(want.features), Sequential(*layers)))
