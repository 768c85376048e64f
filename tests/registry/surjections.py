"""Surjections, and flows that hold them."""

from __future__ import annotations

from typing import Any

import diffeo
from diffeo import surjections, transforms, univariates
from diffeo.supports import Support, categories, integers, interval, positive, real
from registry.entry import BOTH, HIDDEN, Entry

SMALL: dict[str, Any] = {"layers": 2, "hidden": HIDDEN}


def _whole(features: int) -> list[Support]:
    """Integers of every kind, beside other columns."""
    kinds = [integers(-2, 4), real(), integers(3), integers(), positive()]
    return [kinds[i % 5] for i in range(features)]


def _labels(features: int) -> list[Support]:
    kinds = [categories(3), interval(0.0, 2.0), categories(2)]
    return [kinds[i % 3] for i in range(features)]


def _on(*layers: Any, context: int = 0) -> Any:
    """A flow of the layers on a small spline flow."""
    domain = layers[0].domain
    supports = domain.supports if isinstance(domain, diffeo.supports.Features) else None
    base = diffeo.NSF(layers[0].in_shape[0], supports=supports, context=context, **SMALL)
    return diffeo.SurjectiveFlow(base, *layers)


def _mixed(d: int, c: int) -> Any:
    """Labels, integers and real columns in one flow."""
    kinds = [categories(3), integers(0, 3), real()]
    dequantize = surjections.VariationalDequantization(
        [kinds[i % 3] for i in range(d)], context=c, hidden=HIDDEN, bins=4
    )
    argmax = surjections.Argmax(dequantize.domain, context=c, hidden=HIDDEN)
    return _on(argmax, dequantize, context=c)


def _given(features: int, context: int, *supports: Support) -> Any:
    """A density that is given to a surjection."""
    return diffeo.NSF(
        features, context=context, supports=supports[0] if supports else None, **SMALL
    )


SURJECTIONS: list[Entry] = [
    Entry(
        "UniformPixelDequantization",
        (surjections.UniformPixelDequantization,),
        lambda d, c: surjections.UniformPixelDequantization((d, 1, 2), bits=2),
        features=(1, 2),
    ),
    Entry(
        "VariationalPixelDequantization",
        (surjections.VariationalPixelDequantization,),
        lambda d, c: surjections.VariationalPixelDequantization(
            (d, 2, 2), bits=1, context=c, layers=2, hidden=8
        ),
        features=(1, 2),
        contexts=BOTH,
    ),
    Entry(
        "UniformDequantization",
        (surjections.UniformDequantization,),
        lambda d, c: surjections.UniformDequantization(_whole(d)),
    ),
    Entry(
        "VariationalDequantization",
        (surjections.VariationalDequantization,),
        lambda d, c: surjections.VariationalDequantization(
            _whole(d), context=c, hidden=HIDDEN, bins=4
        ),
        contexts=BOTH,
    ),
    Entry(
        "VariationalDequantization of a given density",
        (surjections.VariationalDequantization,),
        lambda d, c: surjections.VariationalDequantization(
            [integers(0, 3)] * d, context=c, proposal=_given(d, d + c, interval(0.0, 1.0))
        ),
        features=(1, 3),
        contexts=BOTH,
        quick=(1,),
    ),
    Entry(
        "Argmax",
        (surjections.Argmax,),
        lambda d, c: surjections.Argmax(_labels(d), context=c, hidden=HIDDEN),
        contexts=BOTH,
    ),
    Entry(
        "Augment",
        (surjections.Augment,),
        lambda d, c: surjections.Augment(d, 2, context=c, hidden=HIDDEN),
        contexts=BOTH,
    ),
    Entry(
        "Augment by a given density",
        (surjections.Augment,),
        lambda d, c: surjections.Augment(d, 1, context=c, proposal=_given(1, d + c)),
        features=(1, 3),
        contexts=BOTH,
        quick=(1,),
    ),
    Entry(
        "Slice",
        (surjections.Slice,),
        lambda d, c: surjections.Slice(d, [*range(0, d, 2)], context=c, hidden=HIDDEN, bins=4),
        features=(2, 3, 8),
        contexts=BOTH,
    ),
    Entry(
        "Slice into a given density",
        (surjections.Slice,),
        lambda d, c: surjections.Slice(d, [d - 1], context=c, density=_given(d - 1, 1 + c)),
        features=(2, 3),
        contexts=BOTH,
        quick=(2,),
    ),
]

DENSITIES: list[Entry] = [
    Entry(
        "SurjectiveFlow of integers",
        (diffeo.SurjectiveFlow,),
        lambda d, c: _on(
            surjections.VariationalDequantization(
                [integers(-2, 4)] * d, context=c, hidden=HIDDEN, bins=4
            ),
            context=c,
        ),
        features=(1, 2),
        contexts=BOTH,
        quick=(1,),
    ),
    Entry(
        "SurjectiveFlow of counts",
        (diffeo.SurjectiveFlow,),
        lambda d, c: _on(surjections.UniformDequantization([integers(0)] * d), context=c),
        features=(1, 3),
        contexts=BOTH,
        quick=(1,),
    ),
    Entry(
        "SurjectiveFlow of labels",
        (diffeo.SurjectiveFlow,),
        lambda d, c: _on(
            surjections.Argmax([categories(3)] * d, context=c, hidden=HIDDEN), context=c
        ),
        features=(1, 2),
        contexts=BOTH,
        quick=(1,),
    ),
    Entry(
        "SurjectiveFlow of a mixed table",
        (diffeo.SurjectiveFlow,),
        _mixed,
        features=(2, 3),
        contexts=BOTH,
        quick=(2,),
    ),
    Entry(
        "SurjectiveFlow with latent columns",
        (diffeo.SurjectiveFlow,),
        lambda d, c: _on(surjections.Augment(d, 2, context=c, hidden=HIDDEN), context=c),
        features=(1, 3),
        contexts=BOTH,
        quick=(1,),
    ),
    Entry(
        "SurjectiveFlow of a slice and a coupling",
        (diffeo.SurjectiveFlow,),
        lambda d, c: _on(
            surjections.Slice(d, [0], context=c, hidden=HIDDEN, bins=4),
            transforms.Coupling(d, univariates.Affine(), context=c, hidden=HIDDEN),
            context=c,
        ),
        features=(2, 3),
        contexts=BOTH,
    ),
]
