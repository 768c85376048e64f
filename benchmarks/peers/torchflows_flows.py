"""torchflows: a bijection's forward runs from data to base."""

from __future__ import annotations

import torch
from torch import Tensor
from torchflows.bijections.finite.autoregressive import architectures

from peers.contestant import Architecture, Contestant, TorchContestant

PACKAGE = "torchflows"

_ARCHITECTURES = {
    "affine coupling": architectures.RealNVP,
    "affine autoregressive": architectures.MAF,
    "RQ coupling": architectures.CouplingRQNSF,
    "RQ autoregressive": architectures.MaskedAutoregressiveRQNSF,
}


class _Torchflows(TorchContestant):
    def to_base(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.module(x)

    def to_data(self, z: Tensor) -> tuple[Tensor, Tensor]:
        return self.module.inverse(z)


def build(want: Architecture) -> Contestant:
    # its layers count the output layer too
    network = {"n_hidden": want.hidden[0], "n_layers": len(want.hidden) + 1}
    options = {"conditioner_kwargs": network}
    if want.kind.startswith("RQ"):
        options["transformer_kwargs"] = {"boundary": want.bound, "n_bins": want.bins}
    flow = _ARCHITECTURES[want.kind]((want.features,), n_layers=want.layers, **options)
    flow.train()(torch.randn(1024, want.features))  # sets its ActNorms, which are random before
    return _Torchflows(flow)
