"""Every public transform, univariate, base and model, with constructors; the audit runs over it.

A public class that is not ``covered`` here fails ``test_registry.py``.
"""

from __future__ import annotations

from registry import (
    bases,
    circular,
    continuous,
    elementary,
    images,
    latent_sequences,
    linear,
    models,
    monotone,
    multivariate,
    points,
    spheres,
    splines,
    structure,
    supports,
    surjections,
    symbols,
    tables,
    transformers,
    transforms,
    univariates,
    vae,
)
from registry.entry import Entry, cases

__all__ = ["DENSITIES", "OF_TABLES", "SURJECTIONS", "TRANSFORMS", "Entry", "cases"]

TRANSFORMS: list[Entry] = [
    *univariates.TRANSFORMS,
    *elementary.TRANSFORMS,
    *splines.TRANSFORMS,
    *monotone.TRANSFORMS,
    *transforms.TRANSFORMS,
    *supports.TRANSFORMS,
    *circular.TRANSFORMS,
    *spheres.TRANSFORMS,
    *linear.TRANSFORMS,
    *images.TRANSFORMS,
    *multivariate.TRANSFORMS,
    *transformers.TRANSFORMS,
    *continuous.TRANSFORMS,
    *latent_sequences.TRANSFORMS,
    *structure.TRANSFORMS,
]
DENSITIES: list[Entry] = [
    *models.DENSITIES,
    *monotone.DENSITIES,
    *supports.DENSITIES,
    *circular.DENSITIES,
    *spheres.DENSITIES,
    *multivariate.DENSITIES,
    *bases.DENSITIES,
    *surjections.DENSITIES,
    *symbols.DENSITIES,
    *vae.DENSITIES,
    *tables.DENSITIES,
    *images.DENSITIES,
    *points.DENSITIES,
    *latent_sequences.DENSITIES,
    *transformers.DENSITIES,
    *continuous.DENSITIES,
    *structure.DENSITIES,
]
SURJECTIONS: list[Entry] = [
    *surjections.SURJECTIONS,
    *symbols.SURJECTIONS,
    *structure.SURJECTIONS,
]
OF_TABLES = tables.OF_TABLES
