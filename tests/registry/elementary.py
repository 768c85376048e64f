"""Elementary univariates: activations, distribution functions, powers, tails."""

from __future__ import annotations

from diffeo import univariates
from registry.entry import Entry
from registry.placements import fixed, learned

TRANSFORMS: list[Entry] = [
    *fixed(univariates.Log),
    *fixed(lambda: univariates.Logit(-1.0, 3.0)),
    *fixed(lambda: univariates.Power(-1.5)),
    *fixed(univariates.LeakyReLU),
    *fixed(lambda: univariates.ELU(1.5)),
    *fixed(lambda: univariates.Softclip(3.0)),
    *fixed(univariates.CauchyCDF),
    *fixed(univariates.NormalCDF),
    *fixed(lambda: univariates.LOFT(0.5)),
    *learned(univariates.ClampedAffine),
    *learned(univariates.SignedPower),
    *learned(univariates.SinhArcsinh),
]
