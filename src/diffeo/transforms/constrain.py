"""From the flow's real space onto the supports of the features."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from diffeo.checks import check_event
from diffeo.errors import ShapeError
from diffeo.supports import Features, Interval, Positive, Real, Support
from diffeo.transform import Transform
from diffeo.univariates import Exp, Sigmoid
from diffeo.univariates.univariate import Univariate

__all__ = ["Constrain"]


def _onto(support: Support) -> Univariate | None:
    """The univariate from the reals onto ``support``; None for the reals themselves."""
    if isinstance(support, Real):
        return None
    if isinstance(support, Positive):
        return Exp()
    if isinstance(support, Interval):
        return Sigmoid(support.low, support.high)
    raise ShapeError(f"Constrain: {support!r} is not the support of one scalar feature")


class Constrain(Transform):
    """Maps each feature from the reals onto its support: exp to positive, sigmoid to an interval.

    Ignores context.

    Args:
        supports: one scalar support a feature (``real()``, ``positive()``, ``interval(a, b)``).

    Shapes: x (*batch, D).

    Raises:
        ShapeError: no supports, or one that is not of a scalar; events of another shape.

    Example:
        >>> import torch, diffeo
        >>> layer = diffeo.transforms.Constrain([diffeo.real(), diffeo.positive()])
        >>> layer(torch.zeros(2))[0]
        tensor([0., 1.])
    """

    def __init__(self, supports: Sequence[Support]) -> None:
        if not supports:
            raise ShapeError("Constrain needs one support for each feature, got none")
        super().__init__((len(supports),))
        self.codomain = Features(supports)
        self.univariates = [_onto(support) for support in supports]

    def _apply_each(self, x: Tensor, inverse: bool) -> tuple[Tensor, Tensor]:
        check_event(self, x, self.in_shape)
        columns = list(x.unbind(-1))
        total = torch.zeros_like(columns[0])
        for i, univariate in enumerate(self.univariates):
            if univariate is not None:
                act = univariate.inverse if inverse else univariate.forward
                columns[i], dlog = act(columns[i], x.new_empty(0))
                total = total + dlog
        return torch.stack(columns, dim=-1), total

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self._apply_each(x, inverse=False)

    def inverse(self, y: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self._apply_each(y, inverse=True)
