"""Named models, flows and mixtures."""

from __future__ import annotations

from typing import Any

import diffeo
from diffeo import bases, transforms, univariates
from registry.entry import BOTH, FEATURES, HIDDEN, Entry
from registry.supports import scalar_supports
from registry.users import own_coupling

SMALL: dict[str, Any] = {"layers": 2, "hidden": HIDDEN}


def models(
    cls: Any, kind: str = "", *, features: tuple[int, ...] = FEATURES, **options: Any
) -> list[Entry]:
    """A named model, conditional or not, and on other supports than the reals."""
    build = {**SMALL, **options}
    tolerances = {key: build.pop(key, None) for key in ("tolerance", "single_tolerance")}
    quick = build.pop("quick", None)
    name = f"{cls.__name__} {kind}".strip()
    return [
        Entry(
            name,
            (cls,),
            lambda d, c: cls(d, context=c, **build),
            features=features,
            contexts=BOTH,
            quick=quick,
            **tolerances,
        ),
        Entry(
            f"{name} with supports",
            (cls,),
            lambda d, c: cls(d, supports=scalar_supports(d), **build),
            features=(1, 3),
            quick=quick,
            **tolerances,
        ),
    ]


def _learned_mixture(d: int, c: int) -> Any:
    return diffeo.Mixture(diffeo.RealNVP(d, context=c, **SMALL), diffeo.NSF(d, context=c, **SMALL))


DENSITIES: list[Entry] = [
    *models(diffeo.NICE),
    *models(diffeo.RealNVP),
    *models(diffeo.MAF),
    *models(diffeo.IAF),
    *models(diffeo.NSF),
    *models(diffeo.NSF, "autoregressive", autoregressive=True),
    Entry(
        "RealNVP residual",
        (diffeo.RealNVP,),
        lambda d, c: diffeo.RealNVP(d, context=c, residual=True, **SMALL),
        features=(3,),
        contexts=BOTH,
    ),
    Entry(
        "Flow",
        (diffeo.Flow,),
        lambda d, c: diffeo.Flow(
            bases.DiagonalNormal(d, context=c, hidden=HIDDEN),
            transforms.Coupling(d, univariates.Affine(), context=c, hidden=HIDDEN),
        ),
        contexts=BOTH,
    ),
    Entry(
        "Flow of a log-normal",
        (diffeo.Flow,),
        lambda d, c: diffeo.Flow(
            bases.StandardNormal(d),
            transforms.Sequential(
                transforms.Elementwise(d, univariates.Affine()),
                transforms.Elementwise(d, univariates.Exp()),
            ),
        ),
    ),
    Entry(
        "Flow without weights on a mixture",
        (diffeo.Flow,),
        lambda d, c: diffeo.Flow(bases.GaussianMixture(d, 3), transforms.Reverse(d)),
    ),
    Entry(
        "Flow of a user's network",
        (diffeo.Flow,),
        lambda d, c: diffeo.Flow(bases.StandardNormal(d), own_coupling(d, c)),
        contexts=BOTH,
    ),
    Entry("Mixture", (diffeo.Mixture,), _learned_mixture, contexts=BOTH),
    Entry(
        "Ensemble",
        (diffeo.Ensemble,),
        lambda d, c: diffeo.Ensemble(*(diffeo.MAF(d, context=c, **SMALL) for _ in range(2))),
        contexts=BOTH,
    ),
]
