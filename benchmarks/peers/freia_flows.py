"""FrEIA: its recommended AllInOneBlock, an affine coupling with a permutation and a scaling."""

from __future__ import annotations

from functools import partial

from FrEIA.framework import SequenceINN
from FrEIA.modules import AllInOneBlock
from torch import Tensor

from peers.contestant import Architecture, Contestant, NotOffered, TorchContestant, mlp

PACKAGE = "FrEIA"


class _Freia(TorchContestant):
    def to_base(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.module(x)

    def to_data(self, z: Tensor) -> tuple[Tensor, Tensor]:
        return self.module(z, rev=True)


def build(want: Architecture) -> Contestant:
    if want.kind != "affine coupling":
        raise NotOffered
    flow = SequenceINN(want.features)
    for _ in range(want.layers):
        flow.append(AllInOneBlock, subnet_constructor=partial(mlp, hidden=want.hidden))
    return _Freia(flow)
