"""Continuous flows: velocities, potentials, a user's field, adaptive solvers; their models."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

import diffeo
from diffeo import transforms
from diffeo.nets import Field, Potential
from registry.entry import BOTH, Entry
from registry.supports import scalar_supports

# the audit compares with derivatives of what the solver computed, so its error must be small
SMALL: dict[str, Any] = {"hidden": (8, 8), "steps": 12, "tolerance": 1e-9}
# solver's error in float64
TOLERANCE = 1e-6


class OwnField(Field):
    """A user's velocity, by automatic differentiation."""

    def __init__(self, features: int, context: int) -> None:
        super().__init__(features, context)
        self.inner = nn.Linear(features + context + 1, 8)
        self.outer = nn.Linear(8, features)

    def forward(self, x: Tensor, t: Tensor, context: Tensor | None = None) -> Tensor:
        parts = [x, t[..., None].expand(*x.shape[:-1], 1)]
        if self.context and context is not None:
            parts.append(context.expand(*x.shape[:-1], -1))
        return self.outer(torch.tanh(self.inner(torch.cat(parts, dim=-1))))


TRANSFORMS: list[Entry] = [
    Entry(
        "Continuous",
        (transforms.Continuous,),
        lambda d, c: transforms.Continuous(d, context=c, **SMALL),
        contexts=BOTH,
        identity=True,
        tolerance=TOLERANCE,
        quick=(1, 3),
    ),
    Entry(
        "Continuous by adaptive steps",
        (transforms.Continuous,),
        lambda d, c: transforms.Continuous(d, solver="dopri5", context=c, **SMALL),
        contexts=(3,),
        identity=True,
        tolerance=TOLERANCE,
        quick=(3,),
    ),
    Entry(
        "Continuous of a potential",
        (transforms.Continuous,),
        lambda d, c: transforms.Continuous(
            d, field=Potential(d, (8, 8), c), context=c, steps=SMALL["steps"]
        ),
        contexts=BOTH,
        identity=True,
        tolerance=TOLERANCE,
        quick=(3,),
    ),
    Entry(
        "Continuous of a user's field",
        (transforms.Continuous,),
        lambda d, c: transforms.Continuous(
            d, field=OwnField(d, c), context=c, steps=SMALL["steps"]
        ),
        contexts=(3,),
        tolerance=TOLERANCE,
        quick=(3,),
    ),
]


def _models(cls: Any, features: tuple[int, ...], quick: tuple[int, ...]) -> list[Entry]:
    options: dict[str, Any] = {"hidden": (8, 8), "steps": 12, "seed": 0}
    return [
        Entry(
            cls.__name__,
            (cls,),
            lambda d, c: cls(d, context=c, **options),
            features=features,
            contexts=BOTH,
            tolerance=TOLERANCE,
            quick=quick,
        ),
        Entry(
            f"{cls.__name__} with supports",
            (cls,),
            lambda d, c: cls(d, supports=scalar_supports(d), **options),
            features=(3,),
            tolerance=TOLERANCE,
            quick=(),
        ),
    ]


DENSITIES: list[Entry] = [
    *_models(diffeo.CNF, (1, 2, 3), (2,)),
    *_models(diffeo.FlowMatching, (1, 3), (3,)),
    *_models(diffeo.OTFlow, (1, 3), (1,)),
]
