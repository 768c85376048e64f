"""Scalings, compositions, and a user's coupling."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from diffeo import transforms, univariates
from registry.entry import BOTH, HIDDEN, Entry
from registry.supports import scalar_supports
from registry.users import own_coupling


def _data(features: int) -> Tensor:
    return torch.randn(200, features) * torch.arange(1, features + 1) + 3


def _initialized(layer: Any) -> Any:
    layer.initialize(_data(layer.in_shape[0]))
    return layer


def _sums(features: int) -> transforms.LinearResiduals:
    layer = transforms.LinearResiduals(features)
    layer.initialize(torch.randn(200, features).cumsum(1) + torch.linspace(1, 2, features))
    return layer


TRANSFORMS: list[Entry] = [
    Entry("Coupling of a user's network", (transforms.Coupling,), own_coupling, contexts=BOTH),
    Entry("ActNorm", (transforms.ActNorm,), lambda d, c: transforms.ActNorm(d), identity=True),
    Entry(
        "ActNorm of data", (transforms.ActNorm,), lambda d, c: _initialized(transforms.ActNorm(d))
    ),
    Entry(
        "Standardize",
        (transforms.Standardize,),
        lambda d, c: transforms.Standardize(d),
        identity=True,
    ),
    Entry(
        "Standardize of data",
        (transforms.Standardize,),
        lambda d, c: _initialized(transforms.Standardize(d)),
    ),
    Entry(
        "NormalScores",
        (transforms.NormalScores,),
        lambda d, c: transforms.NormalScores(d),
        identity=True,
    ),
    Entry(
        "NormalScores of data",
        (transforms.NormalScores,),
        lambda d, c: _initialized(transforms.NormalScores(d)),
    ),
    Entry(
        "LinearResiduals",
        (transforms.LinearResiduals,),
        lambda d, c: transforms.LinearResiduals(d),
        identity=True,
    ),
    Entry(
        "LinearResiduals of data",
        (transforms.LinearResiduals,),
        lambda d, c: _sums(d),
    ),
    Entry(
        "Constrain", (transforms.Constrain,), lambda d, c: transforms.Constrain(scalar_supports(d))
    ),
    Entry(
        "Sequential",
        (transforms.Sequential,),
        lambda d, c: transforms.Sequential(
            transforms.LU(d),
            transforms.Coupling(d, univariates.Affine(), context=c, hidden=HIDDEN),
            transforms.Reverse(d),
            transforms.ActNorm(d),
        ),
        contexts=BOTH,
    ),
    Entry(
        "Sequential reversible",
        (transforms.Sequential,),
        # without linear maps: far out they mix features that differ by more digits than float32
        # has, of which the guard rightly warns
        lambda d, c: transforms.Sequential(
            transforms.ActNorm(d),
            transforms.Coupling(d, univariates.Affine(), context=c, hidden=HIDDEN),
            transforms.Reverse(d),
            transforms.MaskedAutoregressive(d, univariates.Affine(), context=c, hidden=HIDDEN),
            reversible=True,
        ),
        contexts=BOTH,
    ),
    Entry(
        "Inverse of an autoregression",
        (transforms.Inverse,),
        lambda d, c: transforms.Inverse(
            transforms.MaskedAutoregressive(
                d,
                univariates.Affine(),
                order=[*range(1, d), 0],
                context=c,
                hidden=HIDDEN,
            )
        ),
        contexts=BOTH,
        identity=True,
        # as MaskedAutoregressive
        single_tolerance=1e-4,
    ),
]
