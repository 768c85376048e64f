"""Parts that respect a graph, and surjections that fold, sort, pool and walk."""

from __future__ import annotations

from typing import Any

from torch import Tensor

import diffeo
from diffeo import bases, surjections, transforms, univariates
from diffeo.supports import positive, real
from registry.entry import BOTH, HIDDEN, Entry
from registry.supports import scalar_supports


def graph(features: int) -> list[list[bool]]:
    """Each feature sees the one before it, and the last one the first."""
    last = features - 1
    edges = {(i, i - 1) for i in range(1, features)} | ({(last, 0)} if last > 0 else set())
    return [[(i, j) in edges for j in range(features)] for i in range(features)]


def log_u(x: Tensor) -> Tensor:
    """A target of exponential tails."""
    return -(1 + (x - 0.5).square()).sqrt().sum(-1)


def _on(layer: Any, base: Any = None) -> Any:
    return diffeo.SurjectiveFlow(base or bases.StandardNormal(layer.in_shape[0]), layer)


TRANSFORMS: list[Entry] = [
    Entry(
        "MaskedAutoregressive on a graph",
        (transforms.MaskedAutoregressive,),
        lambda d, c: transforms.MaskedAutoregressive(
            d, univariates.Affine(), adjacency=graph(d), context=c, hidden=HIDDEN
        ),
        contexts=BOTH,
        identity=True,
        quick=(3,),
    ),
    Entry(
        "MaskedAutoregressive of angles on a graph",
        (transforms.MaskedAutoregressive,),
        lambda d, c: transforms.MaskedAutoregressive(
            d, univariates.CircularRationalQuadraticSpline(4), adjacency=graph(d), hidden=HIDDEN
        ),
        features=(2,),
        identity=True,
    ),
    Entry(
        "Coupling on a graph",
        (transforms.Coupling,),
        lambda d, c: transforms.Coupling(
            d, univariates.Affine(), adjacency=graph(d), context=c, hidden=HIDDEN
        ),
        contexts=BOTH,
        identity=True,
        quick=(3,),
    ),
]
SURJECTIONS: list[Entry] = [
    Entry(
        "AbsoluteValue",
        (surjections.AbsoluteValue,),
        lambda d, c: surjections.AbsoluteValue(d),
        quick=(1, 3),
    ),
    Entry(
        "RandomSign",
        (surjections.RandomSign,),
        lambda d, c: surjections.RandomSign(d, context=c, hidden=HIDDEN),
        features=(1, 2),
        quick=(1,),
    ),
    Entry(
        "RandomSign given context",
        (surjections.RandomSign,),
        lambda d, c: surjections.RandomSign(d, context=c, hidden=HIDDEN),
        features=(3,),
        contexts=(3,),
    ),
    Entry(
        "RandomSign symmetric",
        (surjections.RandomSign,),
        lambda d, c: surjections.RandomSign(d, symmetric=True),
        features=(1, 3),
    ),
    Entry(
        "Sort", (surjections.Sort,), lambda d, c: surjections.Sort(d), features=(3, 8), quick=(3,)
    ),
    Entry(
        "RandomOrder",
        (surjections.RandomOrder,),
        lambda d, c: surjections.RandomOrder(3, d, by=d - 1),
        features=(1, 2, 3),
        quick=(1, 3),
    ),
    Entry(
        "Shuffle",
        (surjections.Shuffle,),
        lambda d, c: surjections.Shuffle(3, d),
        features=(1, 3),
    ),
    Entry(
        "MaxPool",
        (surjections.MaxPool,),
        lambda d, c: surjections.MaxPool(2 * d, 2, hidden=HIDDEN, bins=4),
        features=(1, 3),
        quick=(1,),
    ),
    Entry(
        "MaxPool given context",
        (surjections.MaxPool,),
        lambda d, c: surjections.MaxPool(2 * d, 2, context=c, hidden=HIDDEN, bins=4),
        features=(2,),
        contexts=(3,),
    ),
    Entry(
        "MaxPool of a given density",
        (surjections.MaxPool,),
        lambda d, c: surjections.MaxPool(
            3 * d,
            3,
            density=diffeo.NSF(2 * d, context=d, supports=positive(), layers=1, hidden=HIDDEN),
        ),
        features=(1,),
    ),
    Entry(
        "Langevin",
        (surjections.Langevin,),
        lambda d, c: surjections.Langevin(d, log_u, steps=2, step_size=0.1),
        quick=(1, 3),
    ),
    Entry(
        "Langevin of a density",
        (surjections.Langevin,),
        lambda d, c: surjections.Langevin(d, bases.StudentT(d, 3.0), steps=2, step_size=0.1),
        features=(1,),
    ),
    Entry(
        "Metropolis",
        (surjections.Metropolis,),
        lambda d, c: surjections.Metropolis(d, log_u, steps=3, step_size=0.3),
        quick=(1, 3),
    ),
    Entry(
        "Metropolis along the gradient",
        (surjections.Metropolis,),
        lambda d, c: surjections.Metropolis(d, log_u, steps=3, step_size=0.3, langevin=True),
        features=(1, 3),
    ),
]
DENSITIES: list[Entry] = [
    Entry(
        "GraphicalFlow",
        (diffeo.GraphicalFlow,),
        lambda d, c: diffeo.GraphicalFlow(d, graph(d), context=c, hidden=HIDDEN),
        contexts=BOTH,
        quick=(1, 3),
    ),
    Entry(
        "GraphicalFlow of another univariate, with supports",
        (diffeo.GraphicalFlow,),
        lambda d, c: diffeo.GraphicalFlow(
            d,
            graph(d),
            univariate=univariates.Affine(),
            hidden=HIDDEN,
            supports=scalar_supports(d),
        ),
        features=(1, 3),
        quick=(3,),
    ),
    Entry(
        "ResampledNormal",
        (bases.ResampledNormal,),
        lambda d, c: bases.ResampledNormal(d, hidden=HIDDEN, rounds=20),
        quick=(1, 3),
    ),
    Entry(
        "Flow on a resampled base",
        (bases.ResampledNormal,),
        lambda d, c: diffeo.Flow(
            bases.ResampledNormal(d, hidden=HIDDEN, rounds=20),
            transforms.Coupling(d, univariates.Affine(), context=c, hidden=HIDDEN),
        ),
        features=(2,),
        contexts=(3,),
    ),
    Entry(
        "SurjectiveFlow of random signs",
        (diffeo.SurjectiveFlow,),
        lambda d, c: _on(
            surjections.RandomSign(d, context=c, hidden=HIDDEN),
            diffeo.NSF(d, supports=positive(), context=c, layers=2, hidden=HIDDEN),
        ),
        features=(1, 2),
        contexts=(3,),
        quick=(1,),
    ),
    Entry(
        "SurjectiveFlow of sets",
        (diffeo.SurjectiveFlow,),
        lambda d, c: _on(
            surjections.RandomOrder(3, d),
            diffeo.NSF(
                3 * d,
                supports=[diffeo.ordered(3), *[real()] * (3 * d - 3)],
                layers=2,
                hidden=HIDDEN,
            ),
        ),
        features=(2,),
    ),
    Entry(
        "SurjectiveFlow of stochastic layers",
        (diffeo.SurjectiveFlow,),
        lambda d, c: diffeo.SurjectiveFlow(
            bases.StandardNormal(d),
            transforms.Coupling(d, univariates.Affine(), context=c, hidden=HIDDEN),
            surjections.Langevin(d, log_u, steps=2, step_size=0.1),
            surjections.Metropolis(d, log_u, steps=2, step_size=0.1),
        ),
        features=(1, 2),
        contexts=BOTH,
        quick=(1,),
    ),
]
