"""Univariates with numerical inverses, and their models."""

from __future__ import annotations

from diffeo import univariates
from registry.entry import Entry
from registry.placements import learned

TRANSFORMS: list[Entry] = [
    *learned(lambda: univariates.SumOfSquares(degree=3, terms=2), tolerance=1e-6),
    *learned(lambda: univariates.Bernstein(degree=8), tolerance=1e-6),
    *learned(lambda: univariates.MonotoneNetwork(units=4), tolerance=1e-6),
    *learned(lambda: univariates.MixtureOfGaussians(components=8), tolerance=1e-6),
    # these start with their units spread, which trains sooner
    *learned(lambda: univariates.DeepSigmoidal(units=4), identity=False, tolerance=1e-6),
    *learned(lambda: univariates.DenseSigmoidal(units=4, layers=2), identity=False, tolerance=1e-6),
    *learned(lambda: univariates.MixtureOfLogistics(components=4), identity=False, tolerance=1e-6),
]
