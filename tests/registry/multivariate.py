"""Planar, radial, Sylvester, residual, block-autoregressive, Hamiltonian layers, their models."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import diffeo
from diffeo import transforms
from registry.entry import BOTH, HIDDEN, Entry
from registry.models import SMALL, models


def two_modes(q: Tensor, context: Tensor | None) -> Tensor:
    """Two normals around opposite points that a context moves, up to a constant."""
    centre = 1.0 if context is None else 1 + context.mean(-1)
    # log(exp(-|q - centre|^2) + exp(-|q + centre|^2)), as far as q decides
    side = 2 * centre * q.sum(-1)
    # softplus, because second derivatives of logaddexp are NaN far out
    return F.softplus(2 * side) - side - q.square().sum(-1)


class OwnDensity(nn.Module):
    """A user's learned energy, which grows linearly far out."""

    def __init__(self, features: int, context: int) -> None:
        super().__init__()
        self.inner = nn.Linear(features + context, 16)
        self.outer = nn.Linear(16, 1)

    def forward(self, q: Tensor, context: Tensor | None) -> Tensor:
        seen = q if context is None else torch.cat([q, context], dim=-1)
        return self.outer(torch.tanh(self.inner(seen))).squeeze(-1) - q.abs().sum(-1)


TRANSFORMS: list[Entry] = [
    Entry(
        "Planar",
        (transforms.Planar,),
        lambda d, c: transforms.Planar(d, context=c, hidden=HIDDEN),
        contexts=BOTH,
        identity=True,
    ),
    Entry(
        "PlanarStack",
        (transforms.PlanarStack,),
        lambda d, c: transforms.PlanarStack(d, layers=3, context=c, hidden=HIDDEN),
        contexts=BOTH,
        identity=True,
        quick=(1, 3),
    ),
    Entry(
        "Radial",
        (transforms.Radial,),
        lambda d, c: transforms.Radial(d, context=c, hidden=HIDDEN),
        contexts=BOTH,
        identity=True,
    ),
    Entry(
        "Sylvester orthogonal",
        (transforms.Sylvester,),
        lambda d, c: transforms.Sylvester(d, rank=(d + 1) // 2, context=c, hidden=HIDDEN),
        contexts=BOTH,
        identity=True,
        quick=(1, 3),
    ),
    Entry(
        "Sylvester householder",
        (transforms.Sylvester,),
        lambda d, c: transforms.Sylvester(
            d, "householder", reflections=2, context=c, hidden=HIDDEN
        ),
        contexts=BOTH,
        identity=True,
        quick=(3,),
    ),
    Entry(
        "Sylvester triangular",
        (transforms.Sylvester,),
        lambda d, c: transforms.Sylvester(d, "triangular", context=c, hidden=HIDDEN),
        contexts=BOTH,
        identity=True,
        quick=(3,),
    ),
    Entry(
        "BlockAutoregressive",
        (transforms.BlockAutoregressive,),
        lambda d, c: transforms.BlockAutoregressive(d, hidden=(8, 8), context=c),
        contexts=BOTH,
        quick=(1, 3),
    ),
    Entry(
        "Residual",
        (transforms.Residual,),
        lambda d, c: transforms.Residual(d, context=c, hidden=HIDDEN),
        contexts=BOTH,
        identity=True,
        quick=(1,),
    ),
    Entry(
        "Residual dense",
        (transforms.Residual,),
        lambda d, c: transforms.Residual(d, context=c, hidden=HIDDEN, dense=True),
        contexts=BOTH,
        identity=True,
        quick=(3,),
    ),
    Entry(
        "Residual of estimated terms",
        (transforms.Residual,),
        lambda d, c: transforms.Residual(d, hidden=HIDDEN),
        features=(70,),
        identity=True,
        quick=(),
    ),
    Entry(
        "Leapfrog",
        (transforms.Leapfrog,),
        lambda d, c: transforms.Leapfrog(d, two_modes, context=c, hidden=HIDDEN),
        contexts=BOTH,
    ),
    Entry(
        "Leapfrog tempered, of a network",
        (transforms.Leapfrog,),
        lambda d, c: transforms.Leapfrog(
            d, OwnDensity(d, c), mass="full", tempering=True, context=c, hidden=HIDDEN
        ),
        contexts=BOTH,
        quick=(1, 3),
    ),
]

DENSITIES: list[Entry] = [
    *models(diffeo.PlanarFlow),
    *models(diffeo.RadialFlow),
    *models(diffeo.SylvesterFlow, quick=(1, 3)),
    Entry(
        "SylvesterFlow triangular",
        (diffeo.SylvesterFlow,),
        lambda d, c: diffeo.SylvesterFlow(d, kind="triangular", context=c, **SMALL),
        features=(1, 3),
        contexts=BOTH,
        quick=(3,),
    ),
    *models(diffeo.ResidualFlow, quick=(3,)),
    *models(diffeo.BNAF, hidden=(8, 8), quick=(1, 3)),
]
