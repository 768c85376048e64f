"""Named parameters with supports, and the reals that describe them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from diffeo.described import Described
from diffeo.errors import ShapeError
from diffeo.supports import CorrCholesky, Features, Support, parts_of
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

    Attributes:
        names: in the order given.
        shapes: for each name the shape of one value: () for a support of one number, (columns,)
            for one of several, (n, n) for ``corr_cholesky(n)``; an array has its shape before that.
        dim: free reals of all together.

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

    def __init__(self, declared: Mapping[str, Declared]) -> None:
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
        if set(values) != set(self.names):
            raise ShapeError(f"values must be of {list(self.names)}, got {list(values)}")
        columns = [self._column(name, torch.as_tensor(values[name])) for name in self.names]
        batch = torch.broadcast_shapes(*(column.shape[:-1] for column in columns))
        point = torch.cat([column.expand(*batch, -1) for column in columns], dim=-1)
        return self._constrain.inverse(point)

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
        raise ShapeError(
            f"params: {name!r} needs a support such as diffeo.real() or diffeo.positive(), "
            f"or a pair (support, shape), got {given!r}"
        )
    if not all(isinstance(n, int) and n > 0 for n in repeats):
        raise ShapeError(f"params: the shape of {name!r} must be whole numbers >= 1, got {repeats}")
    return support, tuple(repeats)


def _shape(support: Support) -> tuple[int, ...]:
    if isinstance(support, CorrCholesky):
        return (support.size, support.size)
    alone = support.columns == 1 and not isinstance(support, Features)
    return () if alone else (sum(s.columns for s in parts_of(support, support.columns)),)
