"""What the named models share: seeded weights, supports, and the layers on the data's side."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import torch

from diffeo.bases import StandardNormal
from diffeo.checks import check_features
from diffeo.density import Density
from diffeo.errors import ShapeError
from diffeo.flow import Flow
from diffeo.nets import StandardizeContext
from diffeo.supports import Features, Real, Support
from diffeo.transform import Transform
from diffeo.transforms import (
    Constrain,
    Coupling,
    Inverse,
    MaskedAutoregressive,
    Reverse,
    Sequential,
    Standardize,
)
from diffeo.univariates.univariate import Univariate

__all__ = [
    "Build",
    "LayeredFlow",
    "Supports",
    "autoregressions",
    "couplings",
    "supports_of",
    "warn_if_affine_in_one_dimension",
]

Supports = Support | Sequence[Support] | None
# makes layer i of the base-to-data stack, for events of a width
Build = Callable[[int, int], Transform]


class LayeredFlow(Flow):
    """A flow of like layers, then Standardize, then the features' supports.

    Args:
        features: number of columns of data.
        build: makes layer i of the base-to-data stack, given i and the width of its events.
        layers: how many.
        context: width of the context; it is standardised before the layers see it.
        supports: one support for all features, or supports side by side; None for the reals.
        base: density of the noise; by default a standard normal.
        seed: seed of the initial weights; None draws from torch's global generator.
        reversible: recompute activations in backward, so that the memory of training does not
            grow with the number of layers (see ``Sequential``).
        ends: what stands on the data's side in place of Standardize and Constrain.
    """

    def __init__(
        self,
        features: int,
        build: Build,
        *,
        layers: int,
        context: int,
        supports: Supports,
        base: Density | None,
        seed: int | None,
        reversible: bool,
        ends: Sequence[Transform] | None = None,
    ) -> None:
        name = type(self).__name__
        check_features(name, features)
        if layers < 1:
            raise ShapeError(f"{name}: layers must be at least 1, got {layers}")
        if context < 0:
            raise ShapeError(f"{name}: context must be a width >= 0, got {context}")
        each = supports_of(name, features, supports)
        width = sum(s.free for s in each) if each else features
        # a seed must not disturb the caller's random state
        with torch.random.fork_rng(devices=[], enabled=seed is not None):
            if seed is not None:
                torch.manual_seed(seed)
            stack = [build(i, width) for i in range(layers)]
        if ends is None:
            ends = [Standardize(width), *([Constrain(each)] if each else [])]
        super().__init__(
            StandardNormal(width) if base is None else base,
            Sequential(*stack, *ends, reversible=reversible),
            StandardizeContext(context) if context else None,
            context,
        )


def supports_of(name: str, features: int, supports: Supports) -> tuple[Support, ...]:
    """The supports side by side of so many columns; none where all are the reals.

    Raises:
        ShapeError: supports of another number of columns than ``features``.
    """
    alone = isinstance(supports, Support)
    given = [supports] if isinstance(supports, Support) else list(supports or [])
    for support in given:
        if not isinstance(support, Support):
            raise ShapeError(
                f"{name}: supports are objects such as diffeo.positive(), got {support!r}"
            )
    each = Features(given)
    if alone and each.columns == 1:
        each = Features(given * features)
    if given and each.columns != features:
        counts = ", ".join(f"{s!r} takes {s.columns}" for s in each.supports)
        raise ShapeError(
            f"{name}: supports must be one support or one for each of {features} features "
            f"(a support of several columns counts as so many); "
            f"these take {each.columns} columns: {counts}"
        )
    return () if all(isinstance(s, Real) for s in each.supports) else each.supports


def couplings(
    univariate: Univariate, *, context: int, hidden: Sequence[int], residual: bool
) -> Build:
    """Couplings that move even features in even layers, odd ones in odd layers."""

    def build(i: int, width: int) -> Transform:
        return Coupling(
            width,
            univariate,
            # where there is one feature, every layer moves it
            mask=[width == 1 or k % 2 == i % 2 for k in range(width)],
            context=context,
            hidden=hidden,
            residual=residual,
        )

    return build


def autoregressions(
    univariate: Univariate,
    *,
    context: int,
    hidden: Sequence[int],
    residual: bool,
    inverted: bool = True,
) -> Build:
    """Masked autoregressive layers with the order of the features reversed between them.

    ``inverted`` ones take one network pass for a density, the others one for a sample.
    """

    def build(i: int, width: int) -> Transform:
        layer: Transform = MaskedAutoregressive(
            width, univariate, context=context, hidden=hidden, residual=residual
        )
        layer = Inverse(layer) if inverted else layer
        return Sequential(Reverse(width), layer) if i else layer

    return build


def warn_if_affine_in_one_dimension(flow: Flow) -> None:
    """With one feature there is nothing to condition an affine map on but the context."""
    if flow.base.event_shape == (1,):
        kind = "an affine map of its base given the context"
        shape = kind if flow.context else "only its base, scaled"
        warnings.warn(
            f"{type(flow).__name__} with one feature is {shape}; "
            f"a spline (NSF) can take any shape there",
            UserWarning,
            stacklevel=4,
        )
