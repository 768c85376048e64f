"""Parts of flows on circles and tori."""

from __future__ import annotations

from typing import Any

import diffeo
from diffeo import bases, transforms, univariates
from diffeo.supports import circle, positive, real, simplex
from registry.entry import BOTH, HIDDEN, Entry
from registry.placements import learned


def _alternating(features: int) -> list[bool]:
    return [i % 2 == 0 for i in range(features)]


def _mixed(features: int, context: int) -> Any:
    supports = ([circle(), real(), circle(), positive()] * features)[:features]
    return diffeo.CircularNSF(features, supports=supports, context=context, layers=2, hidden=HIDDEN)


TRANSFORMS: list[Entry] = [
    *learned(univariates.CircularRationalQuadraticSpline),
    *learned(univariates.PhaseShift),
    Entry(
        "Coupling of reals that sees angles",
        (transforms.Coupling,),
        lambda d, c: transforms.Coupling(
            d,
            univariates.RationalQuadraticSpline(),
            mask=[not angle for angle in _alternating(d)],
            angles=_alternating(d),
            context=c,
            hidden=HIDDEN,
        ),
        features=(2, 3),
        contexts=BOTH,
        identity=True,
    ),
    Entry(
        "Chosen",
        (transforms.Chosen,),
        lambda d, c: transforms.Chosen(
            d,
            _alternating(d),
            transforms.Coupling((d + 1) // 2, univariates.Affine(), context=c, hidden=HIDDEN),
        ),
        contexts=BOTH,
        identity=True,
    ),
]

DENSITIES: list[Entry] = [
    Entry("TorusUniform", (bases.TorusUniform,), lambda d, c: bases.TorusUniform(d)),
    Entry("VonMises", (bases.VonMises,), lambda d, c: bases.VonMises(d, 2.0, 3.0)),
    Entry("VonMises learned", (bases.VonMises,), lambda d, c: bases.VonMises(d, learned=True)),
    Entry(
        "Product",
        (bases.Product,),
        lambda d, c: bases.Product(
            bases.TorusUniform(1),
            *([bases.DiagonalNormal(d - 1, context=c, hidden=HIDDEN)] if d > 1 else []),
        ),
        features=(2, 3),
        contexts=BOTH,
    ),
    Entry(
        "CircularNSF",
        (diffeo.CircularNSF,),
        lambda d, c: diffeo.CircularNSF(d, context=c, layers=2, hidden=HIDDEN),
        contexts=BOTH,
        quick=(1, 3),
    ),
    Entry(
        "CircularNSF on mixed supports",
        (diffeo.CircularNSF,),
        _mixed,
        contexts=BOTH,
        quick=(2, 3),
    ),
    Entry(
        "CircularNSF on a circle and a simplex",
        (diffeo.CircularNSF,),
        lambda d, c: diffeo.CircularNSF(
            4, supports=[simplex(3), circle()], layers=2, hidden=HIDDEN
        ),
        features=(3,),
    ),
]
