"""Continuous flows: velocities, potentials, a user's field, adaptive solvers; their models."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

import diffeo
from diffeo import transforms
from diffeo.nets import Field, Potential
from registry.entry import Entry
from registry.supports import scalar_supports

HIDDEN = (8, 8)
# the audit compares with derivatives of what the solver computed, and these differ by its error,
# which so few steps leave; tests of the layer compare many steps with closed forms
STEPS = 8
TOLERANCE = 2e-5


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
        lambda d, c: transforms.Continuous(d, context=c, hidden=HIDDEN, steps=STEPS),
        contexts=(3,),
        identity=True,
        tolerance=TOLERANCE,
        quick=(2,),
    ),
    Entry(
        "Continuous without context",
        (transforms.Continuous,),
        lambda d, c: transforms.Continuous(d, hidden=HIDDEN, steps=STEPS),
        identity=True,
        tolerance=TOLERANCE,
        quick=(1,),
    ),
    Entry(
        "Continuous by adaptive steps",
        (transforms.Continuous,),
        lambda d, c: transforms.Continuous(
            d, solver="dopri5", tolerance=1e-10, context=c, hidden=HIDDEN
        ),
        contexts=(3,),
        identity=True,
        tolerance=TOLERANCE,
        # in float32 the solver's tolerance is no smaller than 1e-6 a step
        single_tolerance=1e-4,
        quick=(),
    ),
    Entry(
        "Continuous with an estimated trace",
        (transforms.Continuous,),
        lambda d, c: transforms.Continuous(d, context=c, hidden=HIDDEN, steps=STEPS),
        features=(10,),
        contexts=(3,),
        identity=True,
        tolerance=TOLERANCE,
        quick=(),
    ),
    Entry(
        "Continuous of a potential",
        (transforms.Continuous,),
        lambda d, c: transforms.Continuous(
            d, field=Potential(d, HIDDEN, c), context=c, steps=STEPS
        ),
        contexts=(3,),
        identity=True,
        tolerance=TOLERANCE,
        quick=(2,),
    ),
    Entry(
        "Continuous of a user's field",
        (transforms.Continuous,),
        lambda d, c: transforms.Continuous(d, field=OwnField(d, c), context=c, steps=STEPS // 2),
        contexts=(3,),
        tolerance=TOLERANCE,
        quick=(2,),
    ),
]


def _models(cls: Any, *, quick: int) -> list[Entry]:
    options: dict[str, Any] = {"hidden": HIDDEN, "steps": STEPS, "seed": 0}
    return [
        Entry(
            cls.__name__,
            (cls,),
            lambda d, c: cls(d, context=c, **options),
            features=(1, 2, 3),
            contexts=(3,),
            tolerance=TOLERANCE,
            quick=(quick,),
        ),
        Entry(
            f"{cls.__name__} with supports",
            (cls,),
            lambda d, c: cls(d, supports=scalar_supports(d), **options),
            features=(1, 3),
            tolerance=TOLERANCE,
            quick=(),
        ),
    ]


# of more features than the trace is exact for
ESTIMATED = Entry(
    "CNF with an estimated trace",
    (diffeo.CNF,),
    lambda d, c: diffeo.CNF(d, hidden=HIDDEN, steps=STEPS, seed=0),
    features=(10,),
    tolerance=TOLERANCE,
)


DENSITIES: list[Entry] = [
    *_models(diffeo.CNF, quick=2),
    ESTIMATED,
    *_models(diffeo.FlowMatching, quick=1),
    *_models(diffeo.OTFlow, quick=1),
]
