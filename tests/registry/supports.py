"""Supports of features, and what maps the reals onto those of several columns."""

from __future__ import annotations

import diffeo
from diffeo import transforms
from diffeo.supports import (
    Support,
    circle,
    corr_cholesky,
    interval,
    ordered,
    positive,
    positive_ordered,
    real,
    simplex,
)
from registry.entry import HIDDEN, Entry

SMALL = {"layers": 2, "hidden": HIDDEN}


def scalar_supports(features: int) -> list[Support]:
    kinds = [interval(-1.0, 3.0), positive(), real()]
    return [kinds[i % 3] for i in range(features)]


def mixed_supports() -> list[Support]:
    """13 columns, 9 of them free."""
    return [simplex(3), circle(), positive(), positive(), real(), ordered(2), corr_cholesky(2)]


TRANSFORMS: list[Entry] = [
    Entry("Increments", (transforms.Increments,), lambda d, c: transforms.Increments(d)),
    Entry(
        "Increments positive",
        (transforms.Increments,),
        lambda d, c: transforms.Increments(d, positive=True),
    ),
    Entry(
        "StickBreaking",
        (transforms.StickBreaking,),
        lambda d, c: transforms.StickBreaking(d),
        features=(2, 3, 8),
    ),
    Entry(
        "CorrelationCholesky",
        (transforms.CorrelationCholesky,),
        lambda d, c: transforms.CorrelationCholesky(d),
        features=(2, 3, 5),
    ),
    Entry(
        "Inverse of StickBreaking",
        (transforms.StickBreaking, transforms.Inverse),
        lambda d, c: transforms.Inverse(transforms.StickBreaking(d)),
        features=(3,),
    ),
    Entry(
        "Constrain to vectors",
        (transforms.Constrain,),
        lambda d, c: transforms.Constrain(mixed_supports()),
        features=(3,),
    ),
    Entry(
        "Constrain but circles",
        (transforms.Constrain,),
        lambda d, c: transforms.Constrain(mixed_supports(), cut=False),
        features=(3,),
    ),
]


DENSITIES: list[Entry] = [
    Entry(
        f"NSF on {support!r}",
        (diffeo.NSF,),
        lambda d, c, s=support: diffeo.NSF(s.columns, context=c, supports=s, **SMALL),
        features=(3,),
        contexts=(2,),
    )
    for support in (simplex(3), ordered(2), positive_ordered(2), corr_cholesky(3), circle())
] + [
    Entry(
        "MAF on mixed supports",
        (diffeo.MAF,),
        lambda d, c: diffeo.MAF(
            sum(s.columns for s in mixed_supports()), supports=mixed_supports(), **SMALL
        ),
        features=(3,),
    ),
]
