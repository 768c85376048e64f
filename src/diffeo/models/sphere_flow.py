"""Neural spline flow of unit vectors."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from diffeo.bases import SphereUniform
from diffeo.density import Density
from diffeo.models.assembly import LayeredFlow
from diffeo.nets import MLP
from diffeo.nets.layers import compress
from diffeo.supports import Sphere
from diffeo.transform import Transform
from diffeo.transforms import Coupling, Moebius, OnCylinder, Permutation, Rotation, Sequential
from diffeo.univariates import CircularRationalQuadraticSpline, RationalQuadraticSpline
from diffeo.univariates.univariate import Univariate

__all__ = ["SphereFlow"]


class SphereFlow(LayeredFlow):
    """Neural spline flow on the unit sphere in R^n, with a density by the surface measure.

    Each layer pushes points away from a learned centre (by ``Moebius``), turns the sphere by a
    learned rotation, then moves the angle around an axis and the heights along it by
    rational-quadratic splines (``OnCylinder``). The splines keep the poles' neighbourhoods as they
    are, so no log-density is infinite; for n = 3 it is continuous everywhere. A fresh flow is its
    base.

    Args:
        dim: dimension n of the space around the sphere, at least 2; 3 for the ordinary sphere.
        context: width of the context; 0 for an unconditional density.
        layers: number of layers.
        hidden: hidden widths of each conditioner.
        bins: bins of each spline.
        base: density of the noise, on the sphere; by default uniform.
        seed: seed of the initial weights; None draws from torch's global generator.
        reversible: recompute activations in backward, so that the memory of training does not
            grow with the number of layers (see ``Sequential``).

    Shapes: x (*batch, n), context (*batch, context).

    Raises:
        ShapeError: sizes that do not fit.
        ValueError: fewer than 2 bins.

    Reference: "Normalizing Flows on Tori and Spheres", Rezende, Papamakarios, Racaniere, Albergo,
    Kanwar, Shanahan, Cranmer, 2020, arXiv:2002.02428.

    Example:
        >>> import torch, diffeo
        >>> flow = diffeo.SphereFlow(3)
        >>> flow.log_prob(torch.tensor([0.0, 0.6, 0.8])).detach()
        tensor(-2.5310)
    """

    def __init__(
        self,
        dim: int,
        *,
        context: int = 0,
        layers: int = 6,
        hidden: Sequence[int] = (64, 64),
        bins: int = 16,
        base: Density | None = None,
        seed: int | None = None,
        reversible: bool = False,
    ) -> None:
        sphere = Sphere(dim)

        def build(i: int, width: int) -> Transform:
            # each layer has its own axis, and all turns together are none
            turn = 1 if i else 1 - layers
            return Sequential(
                Moebius(dim, context=context, hidden=hidden),
                Permutation([(k + turn) % dim for k in range(dim)]),
                Rotation(dim),
                OnCylinder(dim, _couplings(i, width, context, hidden, bins)),
            )

        super().__init__(
            dim,
            build,
            layers=layers,
            context=context,
            supports=sphere,
            base=SphereUniform(dim) if base is None else base,
            seed=seed,
            reversible=reversible,
            ends=[],
        )


def _couplings(i: int, width: int, context: int, hidden: Sequence[int], bins: int) -> Transform:
    """Of heights and an angle: first the angle moves, then every second height."""
    angle = [False] * (width - 1) + [True]
    # a height that is alone moves in every layer
    heights = [k < width - 1 and (width == 2 or k % 2 == i % 2) for k in range(width)]

    def coupling(mask: list[bool], univariate: Univariate) -> Transform:
        kept = mask.count(False) - (not mask[-1])
        # of an angle a conditioner sees cosine and sine
        seen = kept + 2 * (not mask[-1])
        outputs = univariate.num_params * mask.count(True)
        network = _FadingAtPoles(MLP(seen, outputs, hidden, context), kept)
        return Coupling(
            width, univariate, mask=mask, angles=angle, context=context, conditioner=network
        )

    parts = [coupling(angle, CircularRationalQuadraticSpline(bins))]
    if any(heights):
        parts.append(coupling(heights, RationalQuadraticSpline(bins, (-1.0, 1.0))))
    return Sequential(*parts)


class _FadingAtPoles(nn.Module):
    """A conditioner whose outputs go to 0 where a height that it sees goes to -1 or 1.

    Around a pole all angles meet, and only a map that is the identity there is continuous.
    """

    def __init__(self, network: nn.Module, heights: int) -> None:
        super().__init__()
        self.network = network
        self.heights = heights

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        out: Tensor = self.network(x, context)
        # heights arrive compressed; as shares of what -1 and 1 become, they end there as well
        heights = x[..., : self.heights] / compress(x.new_ones(()))
        rest = (1 - heights.square()).clamp(min=torch.finfo(x.dtype).eps)
        return out * rest.sqrt().prod(-1, keepdim=True)
