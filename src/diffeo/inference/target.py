"""What posteriors are fitted to: unnormalised log-densities on vectors of reals."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from diffeo.checks import check_count
from diffeo.errors import DtypeError, ShapeError, TargetError
from diffeo.inference.calling import called, check_values
from diffeo.inference.naming import in_words
from diffeo.inference.parameters import Declared, Parameters
from diffeo.supports import real

__all__ = ["CallableTarget", "GradientTarget", "NamedTarget", "Target", "numpy_target"]


class Target(ABC):
    """An unnormalised log-density on R^dim whose points stand for named values.

    A subclass writes ``_log_prob`` and ``constrain``.

    Args:
        dim: free reals.
        dtype: of the points that it takes.

    Attributes:
        dim, dtype: as given.
        shapes: for each name the shape of one value.
        evaluations: points evaluated so far without a gradient.
        gradients: points evaluated so far with one.
    """

    shapes: dict[str, tuple[int, ...]]

    def __init__(self, dim: int, dtype: torch.dtype = torch.float64) -> None:
        self.dim, self.dtype = dim, dtype
        self.evaluations = self.gradients = 0

    @abstractmethod
    def _log_prob(self, z: Tensor) -> Tensor:
        """log p (n) at z (n, dim), with the log-determinant of ``constrain``; differentiable."""

    @abstractmethod
    def constrain(self, z: Tensor) -> dict[str, Tensor]:
        """The named values (*batch, *shape) that points (*batch, dim) stand for."""

    def log_prob(self, z: Tensor) -> Tensor:
        """Log-density up to a constant, -inf where it is NaN.

        Args:
            z: (n, dim).

        Returns:
            (n,) of the dtype of ``z``, with a graph where ``z`` requires a gradient.

        Raises:
            TargetError: values of another shape, +inf, or values without the gradient asked for.
        """
        if z.ndim != 2 or z.shape[1] != self.dim:
            raise ShapeError(f"the target takes points (n, {self.dim}), got {tuple(z.shape)}")
        wanted = z.requires_grad and torch.is_grad_enabled()
        if wanted:
            self.gradients += len(z)
        else:
            self.evaluations += len(z)
        value = self._log_prob(z.to(self.dtype))
        self._check(value, z, wanted)
        return torch.where(value.isnan(), -torch.inf, value).to(z.dtype)

    def value_and_gradient(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """log p (n) and its gradient (n, dim) at z (n, dim), both without a graph.

        Where the density is zero or not a number the value is -inf and the gradient 0; where only
        the gradient is not finite it is 0.

        Raises:
            TargetError: as ``log_prob``.
        """
        value, gradient = self.raw_gradient(z)
        good = value.isfinite() & gradient.isfinite().all(-1)
        return value, torch.where(good.unsqueeze(-1), gradient, 0.0)

    def raw_gradient(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """``value_and_gradient`` with gradients as they come, finite or not."""
        with torch.enable_grad():
            point = z.detach().requires_grad_()
            value = self.log_prob(point)
            (gradient,) = torch.autograd.grad(value.sum(), point, materialize_grads=True)
        return value.detach(), gradient

    def _check(self, value: Any, z: Tensor, wanted: bool) -> None:
        check_values(value, len(z))
        if wanted and not value.requires_grad:
            raise TargetError(
                "log_prob returned values without a gradient: they do not depend on the "
                "parameters, or were computed outside torch or under no_grad; for numpy give "
                "value and gradient to diffeo.inference.numpy_target"
            )
        high = value == torch.inf
        if bool(high.any()):
            raise TargetError(
                f"log_prob is +inf at {self.describe(z[high][:1].detach())}; "
                f"a log-density must be finite or -inf"
            )

    def describe(self, z: Tensor) -> str:
        """The first of points (n, dim), in words."""
        values = {name: value[0] for name, value in self.constrain(z[:1]).items()}
        return ", ".join(f"{name}={in_words(value)}" for name, value in values.items())


class NamedTarget(Target):
    """A target whose values are declared parameters, or the vector itself, named ``x``."""

    def __init__(
        self,
        params: Mapping[str, Declared] | Parameters | None,
        dim: int | None,
        dtype: torch.dtype,
    ) -> None:
        if (params is None) == (dim is None):
            raise ShapeError(
                "give params={name: support, ...} for a log-density of named values, or dim= for "
                "one of unconstrained vectors, and not both"
            )
        if dim is not None:
            dim = check_count("dim", dim)
        declared = {"x": real(dim)} if params is None else params
        self.parameters = declared if isinstance(declared, Parameters) else Parameters(declared)
        self.named = params is not None
        super().__init__(self.parameters.dim, dtype)
        self.shapes = dict(self.parameters.shapes)

    def constrain(self, z: Tensor) -> dict[str, Tensor]:
        return self.parameters.constrain(z)[0]


class CallableTarget(NamedTarget):
    """The log-density that a function of torch computes.

    Args:
        log_prob: called with a dictionary of named values (n, *shape), or with ``dim`` with vectors
            (n, dim); returns (n,), without the log-determinant of any map onto supports.
        params: for each name a support, or a pair (support, shape).
        dim: instead of ``params``, size of unconstrained vectors.
        dtype: of what ``log_prob`` is called with; None for torch's default.

    Raises:
        ShapeError: neither or both of ``params`` and ``dim``.
    """

    def __init__(
        self,
        log_prob: Callable[[Any], Tensor],
        params: Mapping[str, Declared] | Parameters | None = None,
        dim: int | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        if not callable(log_prob):
            raise TargetError(
                f"log_prob must be a function or a Target, got {log_prob!r:.100}; diffeo.adapters "
                f"makes targets of Stan, NumPyro, Pyro and PyMC models"
            )
        dtype = dtype or torch.get_default_dtype()
        if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
            raise DtypeError(f"dtype must be torch.float32 or torch.float64, got {dtype!r}")
        super().__init__(params, dim, dtype)
        self.function = log_prob

    def _log_prob(self, z: Tensor) -> Tensor:
        if not self.named:
            return called(self.function, z)
        values, ladj = self.parameters.constrain(z)
        log_prob: Tensor = called(self.function, values)
        check_values(log_prob, len(z))
        return log_prob + ladj


class GradientTarget(Target):
    """A target whose library computes its own gradients.

    A subclass writes ``_value_and_gradient``; there are no second derivatives.
    """

    @abstractmethod
    def _value_and_gradient(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """log p (n) and its gradient (n, dim) at z (n, dim), tensors without a graph."""

    def _log_prob(self, z: Tensor) -> Tensor:
        return given_gradient(self._value_and_gradient, z)


class _GivenGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: Tensor, function: Any) -> Tensor:
        value, gradient = function(z.detach())
        ctx.save_for_backward(z, gradient)
        return value

    @staticmethod
    def backward(ctx: Any, outward: Tensor) -> tuple[Tensor, None]:
        z, gradient = ctx.saved_tensors
        if torch.is_grad_enabled():
            gradient = _Once.apply(z, gradient)
        # where a density is zero its gradient may be anything
        usable = gradient.isfinite() & (outward != 0).unsqueeze(-1)
        return torch.where(usable, outward.unsqueeze(-1) * gradient, 0.0), None


class _Once(torch.autograd.Function):
    """A gradient that refuses to be differentiated again."""

    @staticmethod
    def forward(_ctx: Any, _z: Tensor, gradient: Tensor) -> Tensor:
        return gradient.clone()

    @staticmethod
    def backward(_ctx: Any, *_outward: Tensor) -> tuple[Tensor, None]:
        raise TargetError("this target gives its gradient, but no second derivatives")


def given_gradient(function: Callable[[Tensor], tuple[Tensor, Tensor]], x: Tensor) -> Tensor:
    """Values (n) of a function of x (n, dim) that returns its gradient (n, dim) beside them."""
    value: Tensor = _GivenGradient.apply(x, function)
    return value


def numpy_target(
    value_and_gradient: Callable[[Any], tuple[Any, Any]],
    params: Mapping[str, Declared] | None = None,
    dim: int | None = None,
) -> Target:
    """The log-density that a function of numpy computes, in float64.

    Args:
        value_and_gradient: called with a dictionary of arrays (n, *shape), or with ``dim`` with an
            array (n, dim); returns log-densities (n,) and their gradient with respect to what it
            was called with: a dictionary of arrays, or an array.
        params: for each name a support, or a pair (support, shape).
        dim: instead of ``params``, size of unconstrained vectors.

    Raises:
        ShapeError: neither or both of ``params`` and ``dim``.
        TargetError: when it is called, for values or gradients of another shape.

    Example:
        >>> from diffeo.inference import numpy_target
        >>> target = numpy_target(lambda x: (-(x**2).sum(-1) / 2, -x), dim=2)
    """
    return CallableTarget(_NumpyFunction(value_and_gradient), params, dim, torch.float64)


class _NumpyFunction:
    """A function of numpy, with its gradient, as one of torch."""

    def __init__(self, function: Callable[[Any], tuple[Any, Any]]) -> None:
        self.function = function

    def __call__(self, values: Tensor | dict[str, Tensor]) -> Tensor:
        if isinstance(values, Tensor):
            return given_gradient(lambda x: self._call(x, x.numpy()), values)
        shapes = {name: value.shape for name, value in values.items()}
        flat = torch.cat([value.reshape(len(value), -1) for value in values.values()], dim=1)

        def call(x: Tensor) -> tuple[Tensor, Tensor]:
            widths = [shape[1:].numel() for shape in shapes.values()]
            parts = zip(shapes.items(), x.split(widths, dim=1), strict=True)
            return self._call(x, {name: p.reshape(shape).numpy() for (name, shape), p in parts})

        return given_gradient(call, flat)

    def _call(self, x: Tensor, argument: Any) -> tuple[Tensor, Tensor]:
        result = called(self.function, argument)
        if not isinstance(result, tuple) or len(result) != 2:
            raise TargetError(f"expected a pair (log_prob, gradient), got {result!r:.60}")
        value, gradient = result
        value = torch.as_tensor(value, dtype=x.dtype)
        if value.shape != x.shape[:1]:
            raise TargetError(f"log_prob must have shape ({len(x)},), got {tuple(value.shape)}")
        return value, _flat_gradient(gradient, argument, x)


def _flat_gradient(gradient: Any, argument: Any, x: Tensor) -> Tensor:
    """A gradient as one tensor (n, columns) of the values that it belongs to."""
    pairs = (
        [(name, gradient.get(name), value) for name, value in argument.items()]
        if isinstance(argument, dict) and isinstance(gradient, dict)
        else [("x", gradient, argument)]
    )
    for name, part, value in pairs:
        if getattr(part, "shape", None) != getattr(value, "shape", ()):
            raise TargetError(
                f"the gradient by {name!r} must be an array of the shape of {name!r}, "
                f"got {getattr(part, 'shape', part)!r}"
            )
    return torch.cat([torch.as_tensor(part).to(x).reshape(len(x), -1) for _, part, _ in pairs], 1)
