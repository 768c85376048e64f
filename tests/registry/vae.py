"""Flow VAEs."""

from __future__ import annotations

from typing import Any

from torch import nn

from diffeo.inference.vae import (
    Categorical,
    DiscretisedLogistic,
    FlowVAE,
    Gaussian,
    HamiltonianVAE,
    amortised_posterior,
)
from registry.entry import Entry

WIDTH = 4


def _encoder(features: int) -> nn.Module:
    return nn.Sequential(nn.Linear(features, 8), nn.Tanh(), nn.Linear(8, WIDTH))


def _decoder(features: int) -> nn.Module:
    return nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, features))


def _posterior(family: Any, **options: Any) -> Any:
    return amortised_posterior(family, 2, context=WIDTH, hidden=(8,), **options)


DENSITIES: list[Entry] = [
    Entry(
        "FlowVAE of bits",
        (FlowVAE,),
        lambda d, _: FlowVAE(_encoder(d), _posterior("iaf", layers=2), _decoder(d)),
        features=(3,),
    ),
    Entry(
        "FlowVAE of labels",
        (FlowVAE,),
        lambda d, _: FlowVAE(
            _encoder(d), _posterior("gaussian"), _decoder(3 * d), Categorical(3)
        ),
        features=(1,),
    ),
    Entry(
        "FlowVAE of levels",
        (FlowVAE,),
        lambda d, _: FlowVAE(
            _encoder(d), _posterior("planar", layers=2), _decoder(2 * d), DiscretisedLogistic(5)
        ),
        features=(1,),
    ),
    Entry(
        "FlowVAE of reals",
        (FlowVAE,),
        lambda d, _: FlowVAE(_encoder(d), _posterior("gaussian"), _decoder(2 * d), Gaussian()),
        features=(2,),
    ),
    Entry(
        "HamiltonianVAE",
        (HamiltonianVAE,),
        lambda d, _: HamiltonianVAE(
            _encoder(d), _posterior("gaussian"), _decoder(d), steps=2
        ),
        features=(2,),
    ),
]  # fmt: skip
