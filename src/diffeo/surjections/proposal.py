"""Densities given a row of data: what an inverse draws from, and what a slice drops into."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from diffeo.bases import BoxUniform, StandardNormal
from diffeo.density import Density
from diffeo.draw import Draw
from diffeo.errors import ShapeError
from diffeo.nets import StandardizeContext
from diffeo.nets.layers import compress
from diffeo.transform import Transform
from diffeo.transforms import Elementwise, Inverse, MaskedAutoregressive, Sequential, Standardize
from diffeo.univariates import Affine, Exp, Logit, RationalQuadraticSpline

__all__ = [
    "Proposal",
    "initialize",
    "logistic",
    "matching",
    "on_positive",
    "on_reals",
    "on_unit_box",
]


class Proposal(Density):
    """Noise pushed through a transform that reads a context, standardised and compressed.

    Args:
        base: density of the noise.
        transform: conditional transform from the noise.
    """

    def __init__(self, base: Density, transform: Transform) -> None:
        super().__init__(transform.out_shape, transform.context)
        self.base = base
        self.transform = transform
        self.standardize = StandardizeContext(transform.context)
        self.support = transform.codomain

    def _seen(self, context: Tensor | None) -> Tensor:
        assert context is not None
        return compress(self.standardize(context))

    def _log_prob(self, x: Tensor, context: Tensor | None) -> Tensor:
        z, ladj = self.transform.inverse(x, self._seen(context))
        return self.base._log_prob(z, None) + ladj

    def _rsample(self, draw: Draw) -> Tensor:
        return self._rsample_and_log_prob(draw)[0]

    def _rsample_and_log_prob(self, draw: Draw) -> tuple[Tensor, Tensor]:
        draw = draw.given(self._seen(draw.context))
        z, log_prob = self.base._rsample_and_log_prob(draw)
        x, ladj = draw.by_chunks(self.transform, z, len(self.base.event_shape))
        return x, log_prob - ladj

    def initialize(self, x: Tensor, context: Tensor) -> None:
        """Set the data-dependent layers from a batch, once."""
        self.standardize.initialize(context)
        self.transform.initialize(x, self._seen(context))


def logistic(features: int, context: int, hidden: Sequence[int]) -> Proposal:
    """Logistic variables whose place and scale depend on context and on the earlier ones.

    Importance weights p / q of normal q have infinite variance where q is a little narrower than
    p, and always behind the threshold of an argmax; tails of exp(-|x|) keep it finite.
    """
    layer = MaskedAutoregressive(features, Affine(), context=context, hidden=hidden)
    return Proposal(BoxUniform(features), Sequential(Elementwise(features, Logit()), layer))


def on_unit_box(features: int, context: int, hidden: Sequence[int], bins: int) -> Proposal:
    """Splines of uniform noise on (0, 1)^D; uniform at first."""
    spline = RationalQuadraticSpline(bins, (0.0, 1.0))
    layer = MaskedAutoregressive(features, spline, context=context, hidden=hidden)
    return Proposal(BoxUniform(features), layer)


def on_reals(features: int, context: int, hidden: Sequence[int], bins: int) -> Proposal:
    """Splines of normal noise whose density takes one network pass, standardised by data."""
    spline = RationalQuadraticSpline(bins)
    layer = MaskedAutoregressive(features, spline, context=context, hidden=hidden)
    return Proposal(StandardNormal(features), Sequential(Inverse(layer), Standardize(features)))


def on_positive(features: int, context: int, hidden: Sequence[int], bins: int) -> Proposal:
    """``on_reals`` for the logs of positive numbers."""
    logs = on_reals(features, context, hidden, bins)
    return Proposal(logs.base, Sequential(logs.transform, Elementwise(features, Exp())))


def matching(part: str, density: Density, features: int, context: int) -> Density:
    """``density``, if it is one of ``features`` features given a context of that width.

    Raises:
        ShapeError: naming both widths.
        ValueError: a density whose ``log_prob`` is a bound.
    """
    if density.event_shape != (features,) or density.context != context:
        raise ShapeError(
            f"{part}: it needs a density of {features} features given a context of width "
            f"{context}, got a {type(density).__name__} with events of shape "
            f"{density.event_shape} and a context of width {density.context}"
        )
    if density.exactness == "bound":
        raise ValueError(f"{part}: the log_prob of the given {type(density).__name__} is a bound")
    return density


def initialize(density: Density, context: Tensor, x: Tensor | None = None) -> None:
    """Set the data-dependent layers of ``density``, if it has any, once.

    Where there are no data ``x`` of its own, as for a proposal, its own samples take their place.
    """
    act = getattr(density, "initialize", None)
    if act is not None:
        generator = torch.Generator(context.device).manual_seed(0)
        act(density._rsample(Draw((), context, generator)) if x is None else x, context)
