"""From the flow's real space onto the supports of the features."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from diffeo.checks import check_event
from diffeo.errors import ShapeError
from diffeo.supports import (
    Circle,
    CorrCholesky,
    Discrete,
    Features,
    Interval,
    Ordered,
    Positive,
    PositiveOrdered,
    Real,
    Simplex,
    Sphere,
    Support,
)
from diffeo.transform import Transform
from diffeo.transforms.chosen import Chosen
from diffeo.transforms.compose import Sequential
from diffeo.transforms.correlation import CorrelationCholesky
from diffeo.transforms.elementwise import Elementwise
from diffeo.transforms.ordered import Increments
from diffeo.transforms.simplex import StickBreaking
from diffeo.transforms.sphere import FromCylinder
from diffeo.univariates import Exp, Sigmoid
from diffeo.univariates.univariate import Univariate

__all__ = ["Constrain"]


class Constrain(Transform):
    """Maps the reals onto supports side by side, each by a map of its own:

    the reals by the identity, positive numbers by ``Exp``, intervals by ``Sigmoid``, increasing
    vectors by ``Increments``, the simplex by ``StickBreaking``, Cholesky factors of correlation
    matrices by ``CorrelationCholesky``, spheres by ``FromCylinder`` (heights and an angle), and a
    circle, also that of a sphere, cut open at pi, by ``Sigmoid`` too.

    The cut is for flows that know nothing of circles: their density is 0 at pi. Ignores context.

    Args:
        supports: supports of the features, in their order.
        cut: False leaves angles as they are, for flows that do know circles.

    Shapes: x (*batch, sum of ``free``), y (*batch, sum of ``columns``) of the supports.

    Raises:
        ShapeError: no supports, or one that has no map; events of another shape.

    Example:
        >>> import torch, diffeo
        >>> layer = diffeo.transforms.Constrain([diffeo.real(), diffeo.simplex(2)])
        >>> layer(torch.zeros(2))[0]
        tensor([0.0000, 0.5000, 0.5000])
    """

    def __init__(self, supports: Sequence[Support], *, cut: bool = True) -> None:
        if not supports:
            raise ShapeError("Constrain needs one support for each feature, got none")
        codomain = Features(supports)
        super().__init__((codomain.free,), (codomain.columns,))
        self.codomain = codomain
        each = codomain.supports
        if not cut:
            self.domain = Features([part for s in each for part in _uncut(s)])
        self.parts = nn.ModuleList()
        self._free: list[int] = []
        self._columns: list[int] = []
        # neighbours of one kind are mapped in one go
        for support, run in itertools.groupby(each):
            for part, count in _parts(support, len(list(run)), cut):
                self.parts.append(nn.Identity() if part is None else part)
                self._free.append(count * support.free)
                self._columns.append(count * support.columns)

    def _apply_each(self, x: Tensor, inverse: bool) -> tuple[Tensor, Tensor]:
        columns: list[Tensor] = []
        total = x.new_zeros(x.shape[:-1])
        widths = self._columns if inverse else self._free
        for part, column in zip(self.parts, x.split(widths, dim=-1), strict=True):
            if isinstance(part, Transform):
                column, ladj = part.inverse(column) if inverse else part(column)
                total = total + ladj
            columns.append(column)
        return torch.cat(columns, dim=-1), total

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        check_event(self, x, self.in_shape)
        return self._apply_each(x, inverse=False)

    def inverse(self, y: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        check_event(self, y, self.out_shape)
        return self._apply_each(y, inverse=True)


def _parts(support: Support, count: int, cut: bool) -> list[tuple[Transform | None, int]]:
    """Maps onto ``count`` neighbours of one support and how many each serves; None for no map."""
    if isinstance(support, Real) or (isinstance(support, Circle) and not cut):
        return [(None, count)]
    if univariate := _univariate(support):
        return [(Elementwise(count, univariate), count)]
    return [(_vector_map(support, cut), 1) for _ in range(count)]


def _uncut(support: Support) -> list[Support]:
    """What a flow that knows circles sees of a support."""
    if isinstance(support, Sphere):
        return [*[Real()] * (support.free - 1), Circle()]
    return [support if isinstance(support, Circle) else Real()] * support.free


def _univariate(support: Support) -> Univariate | None:
    if isinstance(support, Positive):
        return Exp()
    if isinstance(support, Interval):
        return Sigmoid(support.low, support.high)
    if isinstance(support, Circle):
        return Sigmoid(-math.pi, math.pi)
    return None


def _vector_map(support: Support, cut: bool) -> Transform:
    if isinstance(support, Ordered):
        return Increments(support.columns, positive=isinstance(support, PositiveOrdered))
    if isinstance(support, Simplex):
        return StickBreaking(support.columns)
    if isinstance(support, CorrCholesky):
        return CorrelationCholesky(support.size)
    if isinstance(support, Sphere):
        return _sphere_map(support, cut)
    if isinstance(support, Discrete):
        raise ShapeError(
            f"Constrain: {support!r} is discrete, so no transform leads there from the reals; put "
            f"a surjection of diffeo.surjections (VariationalDequantization for integers, Argmax "
            f"for categories) on a flow over the reals: SurjectiveFlow(flow, surjection)"
        )
    raise ShapeError(f"Constrain: there is no map from the reals onto {support!r}")


def _sphere_map(support: Sphere, cut: bool) -> Transform:
    onto = FromCylinder(support.columns)
    if not cut:
        return onto
    angle = [False] * (support.free - 1) + [True]
    opened = Elementwise(1, Sigmoid(-math.pi, math.pi))
    return Sequential(Chosen(support.free, angle, opened), onto)
