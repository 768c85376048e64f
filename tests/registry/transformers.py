"""Transformer autoregressions, patches, and the flow that is made of them."""

from __future__ import annotations

from typing import Any

from diffeo import models, transforms, univariates
from registry.entry import BOTH, Entry

__all__ = ["DENSITIES", "TRANSFORMS"]

SMALL: dict[str, Any] = {"dim": 8, "layers": 2, "heads": 2}
# each token's rounding goes into the network of all later ones
LOOSE = 1e-4


def _of_tokens(tokens: int, context: int, **options: Any) -> Any:
    return transforms.TransformerAutoregressive(tokens, 2, context=context, **SMALL, **options)


def _tarflow(channels: int, context: int, **options: Any) -> Any:
    return models.TarFlow(
        (channels, 4, 6), patch=2, blocks=2, context=context, seed=0, **SMALL, **options
    )


TRANSFORMS: list[Entry] = [
    Entry(
        "TransformerAutoregressive",
        (transforms.TransformerAutoregressive,),
        _of_tokens,
        features=(1, 3, 8),
        contexts=BOTH,
        identity=True,
        single_tolerance=LOOSE,
        quick=(1, 3),
    ),
    Entry(
        "TransformerAutoregressive in windows",
        (transforms.TransformerAutoregressive,),
        lambda d, c: _of_tokens(d, c, window=3, reverse=True),
        features=(5,),
        contexts=BOTH,
        identity=True,
        single_tolerance=LOOSE,
    ),
    Entry(
        "TransformerAutoregressive of narrow tokens",
        (transforms.TransformerAutoregressive,),
        lambda d, c: transforms.TransformerAutoregressive(
            d, 1, univariates.RationalQuadraticSpline(bins=4), context=c, reverse=True, **SMALL
        ),
        features=(3,),
        contexts=(3,),
        identity=True,
        single_tolerance=LOOSE,
    ),
    Entry(
        "TransformerAutoregressive of angles",
        (transforms.TransformerAutoregressive,),
        lambda d, c: transforms.TransformerAutoregressive(
            3, d, univariates.CircularRationalQuadraticSpline(bins=4), context=c, **SMALL
        ),
        features=(2,),
        single_tolerance=LOOSE,
    ),
    Entry(
        "Patchify",
        (transforms.Patchify,),
        lambda d, c: transforms.Patchify((d, 4, 6), patch=2),
        features=(1, 3),
    ),
]
DENSITIES: list[Entry] = [
    Entry(
        "TarFlow",
        (models.TarFlow,),
        _tarflow,
        features=(1,),
        contexts=BOTH,
        single_tolerance=LOOSE,
    ),
    Entry(
        "TarFlow of splines",
        (models.TarFlow,),
        lambda d, c: _tarflow(d, c, univariate=univariates.RationalQuadraticSpline(bins=4)),
        features=(1,),
        contexts=(3,),
        single_tolerance=LOOSE,
    ),
    Entry(
        "TarFlow with hidden contexts",
        (models.TarFlow,),
        lambda d, c: _tarflow(d, c, drop_context=0.2, reversible=True),
        features=(2,),
        contexts=(3,),
        single_tolerance=LOOSE,
        quick=(),
    ),
]
