"""The posterior of a Stan program given its data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from diffeo.adapters.stan.bridge import Bridge, is_bridge
from diffeo.adapters.stan.compile import compiled
from diffeo.adapters.stan.compiled import Compiled
from diffeo.adapters.stan.data import as_json
from diffeo.adapters.stan.naming import shapes_of
from diffeo.arrays import Floats
from diffeo.errors import ShapeError, TargetError
from diffeo.inference.target import GradientTarget

__all__ = ["StanTarget"]


class _Model(Protocol):
    dim: int
    names: list[str]
    declared: int

    def evaluate(self, z: Floats, gradient: bool) -> tuple[Floats, Floats | None, int, str]: ...
    def constrain(self, z: Floats) -> Floats: ...
    def unconstrain(self, values: Floats) -> Floats: ...


class StanTarget(GradientTarget):
    """The posterior of a Stan program given its data, on Stan's unconstrained reals.

    log p(z) = log p(theta(z), data) + log |det d theta / dz|

    with all normalising constants that the program states: those of ``~`` statements too, so that
    a log-evidence means what it says. The program is compiled by the Stan compiler and the C++
    headers of httpstan with the machine's C++ compiler: about 25 s for a new program, nothing for
    one in the cache (``$XDG_CACHE_HOME/diffeo/stan``). Rows are shared among torch's threads.
    Where Stan fails at a point, or finds NaN, the log-density is -inf. There are no second
    derivatives, and ``print`` statements of the program are not shown.

    Args:
        program: Stan code, the path of a .stan file, or a ``bridgestan.StanModel``.
        data: dictionary of numbers, lists, arrays and tensors, or the path of a JSON file.

    Attributes:
        parameters: names of the parameters block.
        shapes: for each name its shape as declared; transformed parameters follow the parameters,
            generated quantities are left out, and so are variables of size zero.

    Raises:
        MissingExtraError: httpstan is not installed.
        TargetError: a program or data that Stan refuses, a program without parameters or with
            complex ones or tuples, or no C++ compiler.

    Reference:
        Stan: A Probabilistic Programming Language. Carpenter et al., 2017, Journal of Statistical
        Software 76(1).

    Example:
        >>> from diffeo.adapters.stan import StanTarget
        >>> code = "parameters { real<lower=0> tau; } model { tau ~ normal(0, 1); }"
        >>> target = StanTarget(code)  # doctest: +SKIP
        >>> target.shapes  # doctest: +SKIP
        {'tau': ()}
    """

    def __init__(
        self,
        program: str | Path | Any,
        data: Mapping[str, Any] | str | Path | None = None,
    ) -> None:
        self._model = _opened(program, data)
        if self._model.dim == 0:
            raise TargetError("the Stan program has no parameters: there is nothing to fit")
        super().__init__(self._model.dim, torch.float64)
        self.shapes = shapes_of(self._model.names)
        self.parameters = tuple(shapes_of(self._model.names[: self._model.declared]))
        self._worked = False

    def constrain(self, z: Tensor) -> dict[str, Tensor]:
        """Named values (*batch, *shape) at points (*batch, dim), without a graph.

        What Stan cannot compute at a point is NaN there: transformed parameters that fail, or
        parameters far out, where a bound that depends on another parameter closes by rounding.
        """
        if z.ndim == 0 or z.shape[-1] != self.dim:
            raise ShapeError(f"the target takes points (*batch, {self.dim}), got {tuple(z.shape)}")
        flat = self._model.constrain(_floats(z.reshape(-1, self.dim)))
        sizes = [math.prod(shape) for shape in self.shapes.values()]
        parts = np.split(flat, np.cumsum(sizes)[:-1], axis=1)
        batch = tuple(z.shape[:-1])
        return {
            name: torch.from_numpy(_row_major(part, shape)).to(z).reshape(batch + shape)
            for (name, shape), part in zip(self.shapes.items(), parts, strict=True)
        }

    def unconstrain(self, values: Mapping[str, Any]) -> Tensor:
        """Points (*batch, dim) of named parameters (*batch, *shape); other names are ignored.

        Raises:
            TargetError: a parameter is missing, of another shape, or outside its support.
        """
        missing = [name for name in self.parameters if name not in values]
        if missing:
            raise TargetError(f"values of the Stan parameters {missing} are missing")
        arrays = {name: torch.as_tensor(values[name]) for name in self.parameters}
        batches = {name: self._batch(name, array) for name, array in arrays.items()}
        batch = next(iter(batches.values()))
        if set(batches.values()) != {batch}:
            raise TargetError(f"values of the Stan parameters have different batches: {batches}")
        columns = [
            _column_major(_floats(array).reshape(math.prod(batch), *self.shapes[name]))
            for name, array in arrays.items()
        ]
        z = self._model.unconstrain(np.ascontiguousarray(np.concatenate(columns, axis=1)))
        return torch.from_numpy(z).reshape(*batch, self.dim)

    def _batch(self, name: str, value: Tensor) -> tuple[int, ...]:
        shape, found = self.shapes[name], tuple(value.shape)
        split = len(found) - len(shape)
        if split < 0 or found[split:] != shape:
            raise TargetError(
                f"values of the Stan parameter {name!r} must have the shape (*batch, *{shape}), "
                f"got {found}"
            )
        return found[:split]

    def _log_prob(self, z: Tensor) -> Tensor:
        if z.requires_grad and torch.is_grad_enabled():
            return super()._log_prob(z)
        return self._evaluate(z, gradient=False)[0]

    def _value_and_gradient(self, z: Tensor) -> tuple[Tensor, Tensor]:
        value, gradient = self._evaluate(z, gradient=True)
        assert gradient is not None
        return value, gradient

    def _evaluate(self, z: Tensor, gradient: bool) -> tuple[Tensor, Tensor | None]:
        values, slopes, failed, message = self._model.evaluate(_floats(z), gradient)
        self._worked |= failed < len(z)
        if failed and not self._worked:
            raise TargetError(
                f"the Stan program fails at all {failed} points where it was called first: "
                f"{message}"
            )
        return (
            torch.from_numpy(values).to(z),
            None if slopes is None else torch.from_numpy(slopes).to(z),
        )


def _opened(program: Any, data: Mapping[str, Any] | str | Path | None) -> _Model:
    if is_bridge(program):
        if data is not None:
            raise TargetError("a bridgestan.StanModel holds its data: leave out data=")
        return Bridge(program)
    if not isinstance(program, str | Path):
        raise TargetError(
            f"program must be Stan code, the path of a .stan file or a bridgestan.StanModel, "
            f"got {type(program).__name__}"
        )
    return Compiled(compiled(program), as_json(data))


def _floats(z: Tensor) -> Floats:
    array: Floats = z.detach().to("cpu", torch.float64).contiguous().numpy()
    return array


def _row_major(flat: Floats, shape: tuple[int, ...]) -> Floats:
    """Columns in Stan's order, the first index fastest, as arrays (n, *shape)."""
    axes = (0, *range(len(shape), 0, -1))
    return np.ascontiguousarray(flat.reshape(len(flat), *reversed(shape)).transpose(axes))


def _column_major(values: Floats) -> Floats:
    """Arrays (n, *shape) as columns in Stan's order."""
    axes = (0, *range(values.ndim - 1, 0, -1))
    return values.transpose(axes).reshape(len(values), math.prod(values.shape[1:]))
