"""Named parameters with supports, and the reals that describe them."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping, Sequence
from types import FunctionType
from typing import Any

import torch
from torch import Tensor

from diffeo.described import Described
from diffeo.errors import ShapeError
from diffeo.supports import (
    Circle,
    CorrCholesky,
    Discrete,
    Features,
    Interval,
    Simplex,
    Support,
    parts_of,
)
from diffeo.supports.scalar import wrap
from diffeo.transforms import Constrain

__all__ = ["Declared", "Parameters"]

Declared = Support | tuple[Support, tuple[int, ...]]


class Parameters(Described):
    """Named parameters, each on its support, as one vector of reals.

    The map is that of ``transforms.Constrain``; densities refer to the coordinates that the
    supports state (the simplex to all but its last share, Cholesky factors to the strictly lower
    triangle).

    Args:
        declared: for each name a support, or a pair (support, shape) for an array of them.
        turns: for each circle, in their order, the angle in the middle of the reals; the circle is
            cut open opposite to it. None for zeros.

    Attributes:
        names: in the order given.
        shapes: for each name the shape of one value: () for a support of one number, (columns,)
            for one of several, (n, n) for ``corr_cholesky(n)``; an array has its shape before that.
        dim: free reals of all together.
        circles: columns of the values, side by side, that are angles.

    Raises:
        ShapeError: no parameters, a name or shape that is none, or a support without a map from
            the reals.

    Example:
        >>> import torch, diffeo
        >>> from diffeo.inference import Parameters
        >>> parameters = Parameters({"mu": diffeo.real(), "tau": diffeo.positive()})
        >>> values, ladj = parameters.constrain(torch.zeros(3, 2))
        >>> values["tau"]
        tensor([1., 1., 1.])
    """

    def __init__(
        self, declared: Mapping[str, Declared], turns: Sequence[float] | None = None
    ) -> None:
        if not isinstance(declared, Mapping) or not declared:
            raise ShapeError(
                f"params must be a dictionary of names and supports, such as "
                f'{{"mu": diffeo.real(), "tau": diffeo.positive()}}, got {declared!r}'
            )
        self.declared = dict(declared)
        self.names = tuple(self.declared)
        self.shapes: dict[str, tuple[int, ...]] = {}
        supports: list[Support] = []
        for name, given in self.declared.items():
            support, repeats = _checked(name, given)
            self.shapes[name] = (*repeats, *_shape(support))
            supports += [support] * math.prod(repeats)
        self._constrain = Constrain(supports)
        self.support: Support = self._constrain.codomain
        self.dim = self._constrain.in_shape[0]
        ends = [end for support in supports for end in _ends(support)]
        self._low, self._high = [low for low, _ in ends], [high for _, high in ends]
        each = [part for support in supports for part in parts_of(support, support.columns)]
        columns = [part for part in each for _ in range(part.columns)]
        self.circles = [i for i, part in enumerate(columns) if isinstance(part, Circle)]
        self.turns = [0.0] * len(self.circles) if turns is None else list(turns)
        if len(self.turns) != len(self.circles):
            raise ShapeError(f"{len(self.circles)} circles need as many turns, got {turns!r}")

    def constrain(self, z: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """The values that reals describe.

        Args:
            z: (*batch, dim).

        Returns:
            Values (*batch, *shape) by name, and the ladj (*batch).

        Raises:
            ShapeError: vectors of another size.
        """
        columns, ladj = self._constrain(z)
        columns = self._turn(self._inside(columns), 1.0)
        sizes = [math.prod(shape) for shape in self.shapes.values()]
        parts = zip(self.shapes.items(), columns.split(sizes, dim=-1), strict=True)
        return {name: part.reshape(*z.shape[:-1], *shape) for (name, shape), part in parts}, ladj

    def unconstrain(self, values: Mapping[str, Any]) -> tuple[Tensor, Tensor]:
        """The reals that describe values, and the ladj of that map; the inverse of ``constrain``.

        Args:
            values: (*batch, *shape) by name, tensors or arrays.

        Returns:
            (*batch, dim) and (*batch).

        Raises:
            ShapeError: a name that is missing or unknown, or values of another shape.
        """
        names = list(values) if isinstance(values, Mapping) else type(values).__name__
        if not isinstance(values, Mapping) or set(values) != set(self.names):
            raise ShapeError(f"values must be a dictionary of {list(self.names)}, got {names}")
        columns = [self._column(name, torch.as_tensor(values[name])) for name in self.names]
        batch = torch.broadcast_shapes(*(column.shape[:-1] for column in columns))
        point = torch.cat([column.expand(*batch, -1) for column in columns], dim=-1)
        return self._constrain.inverse(self._turn(point, -1.0))

    def angles(self, z: Tensor) -> Tensor:
        """The angles (*batch, circles) that reals (*batch, dim) describe."""
        columns = self._turn(self._constrain(z)[0], 1.0)
        return columns[..., self.circles]

    def turned(self, by: Sequence[float]) -> Parameters:
        """The same parameters, with each circle turned by an angle more."""
        turns = [turn + more for turn, more in zip(self.turns, by, strict=True)]
        return Parameters(self.declared, turns)

    def _turn(self, columns: Tensor, sign: float) -> Tensor:
        if not any(self.turns):
            return columns
        angles = torch.zeros_like(columns)
        angles[..., self.circles] = columns.new_tensor(self.turns) * sign
        return torch.where(angles == 0, columns, wrap(columns + angles))

    def _inside(self, columns: Tensor) -> Tensor:
        """The nearest numbers inside the bounds, on which log-densities may be infinite."""
        if all(map(math.isinf, (*self._low, *self._high))):
            return columns
        low, high = columns.new_tensor(self._low), columns.new_tensor(self._high)
        least = torch.where(low.isinf(), low, _next(low, high))
        most = torch.where(high.isinf(), high, _next(high, low))
        return columns.clamp(least, most)

    def _column(self, name: str, value: Tensor) -> Tensor:
        shape = self.shapes[name]
        batch = value.shape[: value.ndim - len(shape)]
        if value.ndim < len(shape) or value.shape[len(batch) :] != shape:
            raise ShapeError(
                f"values of {name!r} must have the shape (*batch, {', '.join(map(str, shape))}), "
                f"got {tuple(value.shape)}"
            )
        return value.reshape(*batch, math.prod(shape))


def _checked(name: str, given: Declared) -> tuple[Support, tuple[int, ...]]:
    support, repeats = given if isinstance(given, tuple) else (given, ())
    if not isinstance(name, str) or not isinstance(support, Support):
        hint = f"; call it: {support.__name__}()" if isinstance(support, FunctionType) else ""
        raise ShapeError(
            f"params: {name!r} needs a support such as diffeo.real() or diffeo.positive(), "
            f"or a pair (support, shape), got {given!r}{hint}"
        )
    if isinstance(support, Discrete):
        raise ShapeError(
            f"params: {name!r} is discrete, {support!r}, and a flow lives on the reals; sum it out "
            f"of log_prob, with torch.logsumexp over its values"
        )
    try:
        shape = tuple(map(operator.index, repeats))
    except TypeError:
        shape = (0,)
    if not all(n > 0 for n in shape):
        raise ShapeError(
            f"params: the shape of {name!r} must be a tuple of whole numbers >= 1, such as "
            f"(4,), got {repeats!r}"
        )
    return support, shape


def _shape(support: Support) -> tuple[int, ...]:
    if isinstance(support, CorrCholesky):
        return (support.size, support.size)
    alone = support.columns == 1 and not isinstance(support, Features)
    return () if alone else (sum(s.columns for s in parts_of(support, support.columns)),)


def _next(bound: Tensor, towards: Tensor) -> Tensor:
    """The next normal number."""
    tiny = torch.finfo(bound.dtype).tiny
    return torch.where(bound == 0, (towards - bound).sign() * tiny, bound.nextafter(towards))


def _ends(support: Support) -> list[tuple[float, float]]:
    """For each column the bounds onto which values may round and must not."""
    open_ = (-math.inf, math.inf)
    if isinstance(support, CorrCholesky):
        size = support.size
        diagonal = (0.0, math.inf)
        return [diagonal if i == j else open_ for i in range(size) for j in range(size)]
    if isinstance(support, Simplex):
        return [(0.0, math.inf)] * support.columns
    each: list[tuple[float, float]] = []
    for part in parts_of(support, support.columns):
        if isinstance(part, Interval):
            each.append((part.low, part.high))
        elif isinstance(part, Circle):
            each.append((-math.pi, math.pi))
        else:
            each += [open_] * part.columns
    return each
