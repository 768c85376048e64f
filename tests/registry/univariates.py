"""Affine and elementary univariates, and the rational-quadratic spline."""

from __future__ import annotations

from diffeo import univariates
from registry.entry import FEATURES, Entry
from registry.placements import fixed, learned

TRANSFORMS: list[Entry] = [
    entry
    for residual in (False, True)
    for make in (univariates.Shift, univariates.Affine, univariates.RationalQuadraticSpline)
    for entry in learned(make, quick=FEATURES, residual=residual)
] + [
    *learned(univariates.NonlinearSquared),
    # the image of sampled points is bounded away from the ends, so float32 keeps its digits
    *fixed(univariates.Exp),
    *fixed(univariates.Softplus),
    *fixed(lambda: univariates.Sigmoid(-1.0, 3.0)),
    *fixed(univariates.Tanh),
]
