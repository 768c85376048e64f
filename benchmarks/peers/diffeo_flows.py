"""diffeo's flows: the named models with their defaults, and bare stacks of like layers."""

from __future__ import annotations

from torch import Tensor

from diffeo import MAF, NSF, Flow, RealNVP, Sequential
from diffeo.bases import StandardNormal
from diffeo.transforms import Coupling, PlanarStack
from diffeo.univariates import Affine, RationalQuadraticSpline
from peers.contestant import Architecture, Contestant, TorchContestant, alternating

PACKAGE = "diffeo"


class _Diffeo(TorchContestant):
    module: Flow

    def to_base(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.module.transform.inverse(x)

    def to_data(self, z: Tensor) -> tuple[Tensor, Tensor]:
        return self.module.transform(z)

    # what its users call, with every check of its arguments
    def log_prob(self, x: Tensor) -> Tensor:
        return self.module.log_prob(x)

    def sample(self, z: Tensor) -> Tensor:
        return self.module.from_base(z)


def build(want: Architecture) -> Contestant:
    sizes = {"layers": want.layers, "hidden": want.hidden}
    spline = {**sizes, "bins": want.bins, "interval": (-want.bound, want.bound)}
    if want.kind == "affine coupling":
        return _Diffeo(RealNVP(want.features, **sizes))
    if want.kind == "affine autoregressive":
        return _Diffeo(MAF(want.features, **sizes))
    return _Diffeo(NSF(want.features, **spline, autoregressive=want.kind == "RQ autoregressive"))


def couplings(want: Architecture, *, reversible: bool = False) -> TorchContestant:
    """Couplings of one kind and nothing else, as the peers' stacks are."""
    spline = RationalQuadraticSpline(want.bins, (-want.bound, want.bound))
    layers = [
        Coupling(
            want.features,
            spline if want.kind == "RQ coupling" else Affine(),
            mask=alternating(want.features, i),
            hidden=want.hidden,
        )
        for i in range(want.layers)
    ]
    stack = Sequential(*layers, reversible=True) if reversible else Sequential(*layers)
    return _Diffeo(Flow(StandardNormal(want.features), stack))


def planar(want: Architecture) -> TorchContestant:
    return _Diffeo(Flow(StandardNormal(want.features), PlanarStack(want.features, want.layers)))
