"""A univariate in each of the placements."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from diffeo import transforms
from diffeo.univariates import Univariate
from registry.entry import BOTH, FEATURES, HIDDEN, Entry

__all__ = ["fixed", "learned"]


def learned(
    make: Callable[[], Univariate],
    *,
    identity: bool = True,
    tolerance: float | None = None,
    single_tolerance: float | None = None,
    quick: tuple[int, ...] = (3,),
    residual: bool = False,
) -> list[Entry]:
    """A univariate with parameters element-wise, in a coupling and masked autoregressively.

    ``quick`` are the sizes of coupling and autoregression that the ordinary run audits; the
    element-wise placement is audited at all sizes.
    """
    cls = type(make())
    kind = " residual" if residual else ""
    options: dict[str, Any] = {"hidden": HIDDEN, "residual": residual}
    entries = []
    for placement in (transforms.Elementwise, transforms.Coupling, transforms.MaskedAutoregressive):
        alone = placement is transforms.Elementwise
        # the autoregressive inverse feeds each feature's rounding into the networks of later ones
        loosest = 1e-4 if placement is transforms.MaskedAutoregressive else None
        entries.append(
            Entry(
                f"{placement.__name__} {cls.__name__}{kind}",
                (placement, cls),
                lambda d, c, p=placement: p(d, make(), context=c, **options),
                contexts=(3,) if residual and alone else BOTH,
                identity=identity,
                tolerance=tolerance,
                single_tolerance=max(filter(None, (loosest, single_tolerance)), default=None),
                quick=FEATURES if alone else quick,
            )
        )
    return entries


def fixed(make: Callable[[], Univariate], *, identity: bool = False) -> list[Entry]:
    """A univariate without parameters, and its inverse."""
    cls = type(make())
    return [
        Entry(
            f"Elementwise {cls.__name__}",
            (transforms.Elementwise, cls),
            lambda d, c: transforms.Elementwise(d, make()),
            identity=identity,
        ),
        Entry(
            f"Inverse {cls.__name__}",
            (transforms.Inverse, cls),
            lambda d, c: transforms.Inverse(transforms.Elementwise(d, make())),
            features=(1, 3),
            identity=identity,
        ),
    ]
