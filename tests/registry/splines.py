"""Splines beside the rational-quadratic one."""

from __future__ import annotations

from diffeo import univariates
from registry.entry import Entry
from registry.placements import learned

TRANSFORMS: list[Entry] = [
    *learned(univariates.LinearSpline),
    *learned(univariates.QuadraticSpline),
    *learned(univariates.LinearRationalSpline),
    *learned(univariates.CubicSpline),
]
