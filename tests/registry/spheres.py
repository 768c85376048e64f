"""Parts of flows on spheres."""

from __future__ import annotations

from typing import Any

import torch

import diffeo
from diffeo import bases, transforms, univariates
from diffeo.supports import circle, real, sphere
from registry.entry import BOTH, HIDDEN, Entry

SMALL: dict[str, Any] = {"layers": 2, "hidden": HIDDEN}


def _on_cylinder(dim: int, context: int) -> Any:
    """Affine turns of the angle, and splines of the heights."""
    angle = [False] * (dim - 2) + [True]
    return transforms.OnCylinder(
        dim,
        transforms.Coupling(
            dim - 1,
            univariates.RationalQuadraticSpline(4, (-1.0, 1.0)),
            mask=[not a for a in angle],
            angles=angle,
            context=context,
            hidden=HIDDEN,
        ),
    )


def _bent(dim: int, context: int) -> Any:
    """Weights so large that the layer moves points far."""
    layer = transforms.ExponentialMap(dim, 4, context=context, hidden=HIDDEN)
    free = layer.conditioner.output.bias if context else layer.params
    free.data.view(4, dim + 2)[:, dim] = 2.0
    return layer


def _mixture(dim: int, context: int) -> Any:
    concentrations = [0.5, 5.0, 50.0, 500.0]
    return bases.VonMisesFisherMixture(torch.randn(4, dim), concentrations, learned=True)


TRANSFORMS: list[Entry] = [
    Entry(
        "FromCylinder",
        (transforms.FromCylinder,),
        lambda d, c: transforms.FromCylinder(d),
        features=(2, 3, 5),
    ),
    Entry(
        "OnCylinder",
        (transforms.OnCylinder,),
        _on_cylinder,
        features=(3, 5),
        contexts=BOTH,
        identity=True,
        quick=(3,),
    ),
    Entry(
        "Moebius",
        (transforms.Moebius,),
        lambda d, c: transforms.Moebius(d, context=c, hidden=HIDDEN),
        features=(2, 3, 8),
        contexts=BOTH,
        identity=True,
        quick=(3,),
    ),
    Entry(
        "ExponentialMap",
        (transforms.ExponentialMap,),
        lambda d, c: transforms.ExponentialMap(d, 4, context=c, hidden=HIDDEN),
        features=(3,),
        contexts=BOTH,
        identity=True,
    ),
    Entry(
        "ExponentialMap that moves points far",
        (transforms.ExponentialMap,),
        _bent,
        features=(2, 3, 5),
        contexts=BOTH,
        quick=(3,),
    ),
]

DENSITIES: list[Entry] = [
    Entry(
        "SphereUniform",
        (bases.SphereUniform,),
        lambda d, c: bases.SphereUniform(d),
        features=(2, 3, 8),
        quick=(3,),
    ),
    Entry(
        "VonMisesFisher",
        (bases.VonMisesFisher,),
        lambda d, c: bases.VonMisesFisher(torch.randn(d), 20.0),
        features=(2, 3, 8),
        quick=(3,),
    ),
    Entry(
        "VonMisesFisherMixture",
        (bases.VonMisesFisherMixture,),
        _mixture,
        features=(2, 3, 8),
        quick=(3,),
    ),
    Entry(
        "SphereFlow",
        (diffeo.SphereFlow,),
        lambda d, c: diffeo.SphereFlow(d, context=c, bins=4, **SMALL),
        features=(2, 3, 5),
        contexts=BOTH,
        quick=(3,),
    ),
    Entry(
        "SphereFlow on a mixture",
        (diffeo.SphereFlow,),
        lambda d, c: diffeo.SphereFlow(d, base=_mixture(d, c), bins=4, **SMALL),
        features=(5,),
    ),
    Entry(
        "NSF on the sphere",
        (diffeo.NSF,),
        lambda d, c: diffeo.NSF(3, context=c, supports=sphere(3), **SMALL),
        features=(3,),
        contexts=(2,),
    ),
    Entry(
        "NSF on reals, a circle and a sphere",
        (diffeo.NSF,),
        lambda d, c: diffeo.NSF(6, supports=[real(), real(), circle(), sphere(3)], **SMALL),
        features=(3,),
    ),
    Entry(
        "CircularNSF on reals, a circle and spheres",
        (diffeo.CircularNSF,),
        lambda d, c: diffeo.CircularNSF(
            9, supports=[real(), circle(), sphere(4), sphere(3)], **SMALL
        ),
        features=(3,),
    ),
]
