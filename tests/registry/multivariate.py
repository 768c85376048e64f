"""Planar, radial, Sylvester, block-autoregressive and Hamiltonian layers, and their models."""

from __future__ import annotations

import diffeo
from diffeo import transforms
from registry.entry import BOTH, HIDDEN, Entry
from registry.models import SMALL, models

TRANSFORMS: list[Entry] = [
    Entry(
        "Planar",
        (transforms.Planar,),
        lambda d, c: transforms.Planar(d, context=c, hidden=HIDDEN),
        contexts=BOTH,
        identity=True,
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
    *models(diffeo.BNAF, hidden=(8, 8), quick=(1, 3)),
]
