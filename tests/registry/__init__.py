"""Every public transform, univariate, base and model, with constructors; the audit runs over it.

A public class that is not ``covered`` here fails ``test_registry.py``.
"""

from __future__ import annotations

from registry import (
    bases,
    elementary,
    linear,
    models,
    multivariate,
    splines,
    supports,
    transforms,
    univariates,
)
from registry.entry import Entry, cases

__all__ = ["DENSITIES", "TRANSFORMS", "Entry", "cases"]

TRANSFORMS: list[Entry] = [
    *univariates.TRANSFORMS,
    *elementary.TRANSFORMS,
    *splines.TRANSFORMS,
    *transforms.TRANSFORMS,
    *supports.TRANSFORMS,
    *linear.TRANSFORMS,
    *multivariate.TRANSFORMS,
]
DENSITIES: list[Entry] = [
    *models.DENSITIES,
    *supports.DENSITIES,
    *multivariate.DENSITIES,
    *bases.DENSITIES,
]
