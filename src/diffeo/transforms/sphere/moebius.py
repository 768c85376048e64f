"""Moebius transforms of spheres."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from diffeo.checks import check_batch
from diffeo.supports import Sphere
from diffeo.transforms.amortised import Amortised
from diffeo.transforms.inside import unless_outside

__all__ = ["Moebius"]

# nearer than that to the sphere the centre does not come: volumes stay within 2e-3 and 2e3 per
# dimension
LARGEST = 0.999


class Moebius(Amortised):
    """Pushes the unit vectors of R^n away from a centre w inside of the sphere:

        y = (1 - |w|^2) / |x - w|^2 (x - w) - w,   ladj = (n - 1) log((1 - |w|^2) / |x - w|^2).

    Small spheres become small spheres, and the inverse is the map with centre -w. The centre is
    0.999 v / sqrt(1 + |v|^2) for a free vector v. Starts at the identity (w = 0).

    Args:
        dim: dimension n of the space around the sphere, at least 2.
        context: width of the context; 0 for a centre that does not depend on one.
        hidden: hidden widths of the network that predicts the centre from context.

    Shapes: x (*batch, n), context (*batch, context).

    Raises:
        ShapeError: fewer than 2 dimensions, or events of another shape.
        ContextError: a missing context, or one of another width.

    Reference: "Normalizing Flows on Tori and Spheres", Rezende, Papamakarios, Racaniere, Albergo,
    Kanwar, Shanahan, Cranmer, 2020, arXiv:2002.02428 (section 2.1.1 and appendix).

    Example:
        >>> import torch, diffeo
        >>> diffeo.transforms.Moebius(3)(torch.tensor([0.0, 0.6, 0.8]))[0].detach()
        tensor([0.0000, 0.6000, 0.8000])
    """

    def __init__(self, dim: int, *, context: int = 0, hidden: Sequence[int] = (128, 128)) -> None:
        sphere = Sphere(dim)
        super().__init__((dim,))
        self.domain = self.codomain = sphere
        self._learn(torch.zeros(dim), context, hidden)

    def _centre(self, x: Tensor, context: Tensor | None) -> Tensor:
        free = self._params(x, context)
        return LARGEST * free / torch.sqrt(1 + free.square().sum(-1, keepdim=True))

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        x = check_batch(self, x, context, self.in_shape, self.context)
        return _push(self.domain.nearest(x), self._centre(x, context))

    def inverse(self, y: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        y = check_batch(self, y, context, self.in_shape, self.context)
        x, ladj = _push(self.codomain.nearest(y), -self._centre(y, context))
        return x, unless_outside(self.codomain, y, ladj)


def _push(x: Tensor, centre: Tensor) -> tuple[Tensor, Tensor]:
    step = x - centre
    scale = (1 - centre.square().sum(-1)) / step.square().sum(-1)
    return scale[..., None] * step - centre, (x.shape[-1] - 1) * scale.log()
