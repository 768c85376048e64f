"""Univariates with numerical inverses, and their models."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import diffeo
from diffeo import transforms, univariates
from diffeo.univariates import Univariate
from registry.entry import Entry
from registry.models import models
from registry.placements import learned


def _numerical(
    make: Callable[[], Univariate], *, identity: bool = True, single_tolerance: float | None = None
) -> list[Entry]:
    """The ordinary run audits it element-wise and, below, in its models; the slow one all."""
    return [
        dataclasses.replace(entry, quick=(3,) if transforms.Elementwise in entry.covers else ())
        for entry in learned(
            make, identity=identity, tolerance=1e-6, single_tolerance=single_tolerance
        )
    ]


TRANSFORMS: list[Entry] = [
    *_numerical(lambda: univariates.SumOfSquares(degree=3, terms=2)),
    *_numerical(lambda: univariates.Bernstein(degree=8)),
    *_numerical(lambda: univariates.MonotoneNetwork(units=4)),
    # between components far apart the slope is a thousandth: there one rounding of the sum, which
    # is of order one, moves x by 1e-4
    *_numerical(lambda: univariates.MixtureOfGaussians(components=8), single_tolerance=1e-4),
    # these start with their units spread, which trains sooner
    *_numerical(lambda: univariates.DeepSigmoidal(units=4), identity=False),
    *_numerical(lambda: univariates.DenseSigmoidal(units=4, layers=2), identity=False),
    *_numerical(lambda: univariates.MixtureOfLogistics(components=4), identity=False),
]


# an autoregressive sample takes a numerical inverse a feature and layer, so the ordinary run
# audits most at one feature
_NUMERICAL: dict[str, Any] = {"quick": (1,), "tolerance": 1e-6}

DENSITIES: list[Entry] = [
    *models(diffeo.NAF, units=4, quick=(3,), tolerance=1e-6),
    *models(diffeo.NAF, "dense", units=4, dense=True, **_NUMERICAL),
    *models(diffeo.UNAF, units=4, **_NUMERICAL),
    *models(diffeo.SOSFlow, degree=3, **_NUMERICAL),
    *models(diffeo.BernsteinFlow, degree=8, **_NUMERICAL),
    *models(diffeo.Gaussianization, components=4, quick=(3,), tolerance=1e-6),
]
