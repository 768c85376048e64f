"""Neural spline flow of angles, alone or beside other features."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from diffeo.bases import Product, StandardNormal, TorusUniform
from diffeo.checks import check_features
from diffeo.density import Density
from diffeo.errors import ShapeError
from diffeo.models.assembly import Build, LayeredFlow, Supports, supports_of
from diffeo.supports import Circle, Real, parts_of, torus
from diffeo.transform import Transform
from diffeo.transforms import (
    LU,
    Chosen,
    Constrain,
    Coupling,
    Elementwise,
    Sequential,
    Standardize,
)
from diffeo.univariates import (
    CircularRationalQuadraticSpline,
    PhaseShift,
    RationalQuadraticSpline,
)
from diffeo.univariates.univariate import Univariate

__all__ = ["CircularNSF"]


class CircularNSF(LayeredFlow):
    """Neural spline flow on the torus: its density is continuous where angles pass from pi to -pi.

    Angles are moved by circular rational-quadratic splines and learned phase shifts, other
    features by rational-quadratic splines and learned linear maps, in couplings whose conditioners
    see angles by cosine and sine. Angles start uniform, the others normal.

    Args:
        features: number of columns of data D.
        context: width of the context; 0 for an unconditional density.
        layers: number of layers; each moves every second angle and every second other feature.
        hidden: hidden widths of each conditioner.
        bins: bins of each spline.
        interval: where the splines of features other than angles bend, in standard deviations.
        supports: supports side by side, ``circle()`` for each angle; None for angles alone. Of a
            ``sphere(n)`` the flow sees n - 2 heights and an angle.
        base: density of the noise; by default uniform angles, and normals at the other features.
        seed: seed of the initial weights; None draws from torch's global generator.
        reversible: recompute activations in backward, so that the memory of training does not
            grow with the number of layers (see ``Sequential``).

    Shapes: x (*batch, D) with angles from -pi to pi, context (*batch, context).

    Raises:
        ShapeError: sizes that do not fit, or supports without a circle or a sphere.
        ValueError: fewer than 2 bins, or an empty interval.

    Reference: "Normalizing Flows on Tori and Spheres", Rezende, Papamakarios, Racaniere, Albergo,
    Kanwar, Shanahan, Cranmer, 2020, arXiv:2002.02428; "Neural Spline Flows", Durkan, Bekasov,
    Murray, Papamakarios, 2019, arXiv:1906.04032.

    Example:
        >>> import torch, diffeo
        >>> flow = diffeo.CircularNSF(2, supports=[diffeo.circle(), diffeo.positive()])
        >>> flow.log_prob(torch.tensor([[3.0, 1.0]])).shape
        torch.Size([1])
    """

    def __init__(
        self,
        features: int,
        *,
        context: int = 0,
        layers: int = 6,
        hidden: Sequence[int] = (128, 128),
        bins: int = 8,
        interval: tuple[float, float] = (-5.0, 5.0),
        supports: Supports = None,
        base: Density | None = None,
        seed: int | None = None,
        reversible: bool = False,
    ) -> None:
        check_features("CircularNSF", features)
        each = supports_of(
            "CircularNSF", features, torus(features) if supports is None else supports
        )
        onto = Constrain(each or [Real()] * features, cut=False)
        angles = [isinstance(s, Circle) for s in parts_of(onto.domain, onto.in_shape[0])]
        if not any(angles):
            raise ShapeError(
                "CircularNSF: no support is a circle() or a sphere(); NSF is made for such features"
            )
        others = [not angle for angle in angles]
        ends: list[Transform] = [onto]
        if any(others):
            ends.insert(0, Chosen(len(others), others, Standardize(sum(others))))
        super().__init__(
            features,
            _layers(
                angles,
                CircularRationalQuadraticSpline(bins),
                RationalQuadraticSpline(bins, interval),
                context,
                hidden,
            ),
            layers=layers,
            context=context,
            supports=each,
            base=_uniform_and_normal(angles) if base is None else base,
            seed=seed,
            reversible=reversible,
            ends=ends,
        )


def _uniform_and_normal(angles: list[bool]) -> Density:
    factors: list[Density] = []
    for angle, run in itertools.groupby(angles):
        count = len(list(run))
        factors.append(TorusUniform(count) if angle else StandardNormal(count))
    return factors[0] if len(factors) == 1 else Product(*factors)


def _layers(
    angles: list[bool],
    circular: Univariate,
    straight: Univariate,
    context: int,
    hidden: Sequence[int],
) -> Build:
    others = [not angle for angle in angles]

    def coupling(i: int, width: int, kind: list[bool], univariate: Univariate) -> Transform:
        return Coupling(
            width,
            univariate,
            mask=_every_second(kind, i),
            angles=angles,
            context=context,
            hidden=hidden,
        )

    def build(i: int, width: int) -> Transform:
        turn = Elementwise(sum(angles), PhaseShift(), context=context, hidden=hidden)
        parts: list[Transform] = [Chosen(width, angles, turn), coupling(i, width, angles, circular)]
        if any(others):
            parts.append(Chosen(width, others, LU(sum(others))))
            parts.append(coupling(i, width, others, straight))
        return Sequential(*parts)

    return build


def _every_second(kind: list[bool], i: int) -> list[bool]:
    """Of the features of a kind, the even ones in even layers, the odd ones in odd layers.

    A feature that is alone of its kind moves in every layer.
    """
    alone = sum(kind) == 1
    before = itertools.accumulate(kind, initial=0)
    return [
        marked and (alone or count % 2 == i % 2)
        for marked, count in zip(kind, before, strict=False)
    ]
