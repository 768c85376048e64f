"""Layers of Langevin and Metropolis steps towards a density between base and target."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from diffeo.checks import check_batch, check_count, check_features
from diffeo.errors import TargetError
from diffeo.surjections.stochastic import Stochastic

__all__ = ["Langevin", "Metropolis"]

LogDensity = Callable[[Tensor], Tensor]


class _State(NamedTuple):
    """Where rows are (rows, D), their log-density (rows) and, if it drives them, its slope."""

    x: Tensor
    log_u: Tensor
    slope: Tensor


class _Steps(Stochastic):
    """What both kinds of step have in common: a density u that they are taken in.

    Args:
        features: number of columns D.
        target: log u up to a constant, from (rows, D) to (rows); a function or a density.
        steps: how many.
        step_size: variance of a step over 2.
    """

    compiles = False  # gradients of a function that may be anything

    def __init__(self, features: int, target: LogDensity, steps: int, step_size: float) -> None:
        part = type(self).__name__
        check_features(part, features)
        super().__init__((features,))
        if not callable(target):
            raise TargetError(f"{part}: target must be a function or a density, got {target!r:.60}")
        if not (0 < step_size < math.inf):
            raise ValueError(f"{part}: step_size must be above 0 and finite, got {step_size!r}")
        self.target = target
        self.steps = check_count(f"{part}: steps", steps)
        self.step_size = float(step_size)

    def path(
        self,
        z: Tensor,
        context: Tensor | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor]:
        return self._walk(z, generator)

    def inverse(
        self,
        x: Tensor,
        context: Tensor | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor]:
        # the steps are the same both ways, and so is their ratio but for its sign
        z, log_ratio = self._walk(x, generator)
        return z, -log_ratio

    def _walk(self, start: Tensor, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Where the steps lead from ``start`` (*batch, D), and the sum of
        log k(a -> b) - log k(b -> a) over the steps from a to b.
        """
        start = check_batch(self, start, None, self.in_shape, 0)
        state = self._state(start.reshape(-1, self.in_shape[0]))
        total = torch.zeros_like(state.log_u)
        for _ in range(self.steps):
            state, log_ratio = self._step(state, generator)
            total = total + log_ratio
        return state.x.reshape(start.shape), total.reshape(start.shape[:-1])

    @abstractmethod
    def _step(self, state: _State, generator: torch.Generator | None) -> tuple[_State, Tensor]:
        """The state after a step, and log k(a -> b) - log k(b -> a)."""

    def _propose(self, state: _State, generator: torch.Generator | None) -> tuple[_State, Tensor]:
        """b = a + e g(a) + sqrt(2 e) noise, and log k(a -> b) - log k(b -> a)."""
        x, e = state.x, self.step_size
        noise = torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device)
        new = self._state(x + e * state.slope + math.sqrt(2 * e) * noise)
        back = (x - new.x - e * new.slope) / math.sqrt(2 * e)
        return new, (back.square() - noise.square()).sum(-1) / 2

    def _state(self, x: Tensor) -> _State:
        return _State(x, _values(self.target, x), torch.zeros_like(x))


class Langevin(_Steps):
    """Steps of unadjusted Langevin dynamics, the same both ways:

        x' = x + e grad log u(x) + sqrt(2 e) noise,   noise ~ N(0, 1),

    which move samples towards a density u between the base and what is wanted. The contribution is
    the sum of log k(z -> x) - log k(x -> z) over the steps, in which the error of finite steps is
    accounted for. Where the gradient of log u is not finite it counts as 0. Gradients pass through
    the steps, by second derivatives of log u. Ignores context.

    Take it with ``SurjectiveFlow.sample_paths``, whose weights correct what the steps leave, and
    train the transforms between such layers by ``rsample_paths``.

    Args:
        features: number of columns D.
        target: log u up to a constant: a function from (rows, D) to (rows), differentiable, or a
            density.
        steps: how many.
        step_size: e, above 0.

    Shapes: z, x (*batch, D).

    Raises:
        ShapeError: fewer than one feature; events of another shape.
        TargetError: a target that is no function, or that gives another shape or no gradient.
        ValueError: no steps, or a step size that is not above 0.

    Reference: "Stochastic Normalizing Flows", Wu, Koehler, Noe, 2020, arXiv:2002.06707.

    Example:
        >>> import torch, diffeo
        >>> from diffeo.surjections import Langevin
        >>> layer = Langevin(2, lambda x: -(x - 1).square().sum(-1), steps=5, step_size=0.1)
        >>> flow = diffeo.SurjectiveFlow(diffeo.bases.StandardNormal(2), layer)
        >>> flow.sample(3, seed=0).shape, flow.exactness
        (torch.Size([3, 2]), 'bound')
    """

    def _state(self, x: Tensor) -> _State:
        return _State(*_with_slope(self.target, x))

    def _step(self, state: _State, generator: torch.Generator | None) -> tuple[_State, Tensor]:
        return self._propose(state, generator)


class Metropolis(_Steps):
    """Metropolis steps, which leave a density u as it is:

        x' = x + sqrt(2 e) noise, or with ``langevin`` x + e grad log u(x) + sqrt(2 e) noise,

    accepted with probability min(1, u(x') k(x' -> x) / (u(x) k(x -> x'))). As they balance u, the
    contribution is log u(x) - log u(z), whatever the steps between. Samples cannot be
    reparameterised, since a decision carries no gradient. Where log u is NaN it counts as -inf.
    Ignores context.

    Take it with ``SurjectiveFlow.sample_paths``, whose weights correct what the steps leave.

    Args:
        features: number of columns D.
        target: log u up to a constant: a function from (rows, D) to (rows), or a density;
            differentiable with ``langevin``.
        steps: how many.
        step_size: e, above 0.
        langevin: propose along the gradient (MALA), which pays where D is more than a few.

    Shapes: z, x (*batch, D).

    Raises:
        ShapeError: fewer than one feature; events of another shape.
        TargetError: a target that is no function, or that gives another shape or no gradient.
        ValueError: no steps, or a step size that is not above 0.

    Reference: "Stochastic Normalizing Flows", Wu, Koehler, Noe, 2020, arXiv:2002.06707.

    Example:
        >>> import torch, diffeo
        >>> from diffeo.surjections import Metropolis
        >>> layer = Metropolis(2, lambda x: -x.abs().sum(-1), steps=20, step_size=0.5)
        >>> flow = diffeo.SurjectiveFlow(diffeo.bases.StandardNormal(2), layer)
        >>> flow.sample(3, seed=0).shape
        torch.Size([3, 2])
    """

    has_rsample = False

    def __init__(
        self,
        features: int,
        target: LogDensity,
        steps: int,
        step_size: float,
        *,
        langevin: bool = False,
    ) -> None:
        super().__init__(features, target, steps, step_size)
        self.langevin = langevin

    def _state(self, x: Tensor) -> _State:
        if self.langevin:
            return _State(*_with_slope(self.target, x))
        return super()._state(x)

    def _step(self, state: _State, generator: torch.Generator | None) -> tuple[_State, Tensor]:
        new, log_ratio = self._propose(state, generator)
        rise = new.log_u - state.log_u
        uniform = torch.rand(rise.shape, generator=generator, dtype=rise.dtype, device=rise.device)
        # NaN, as between two points of density 0, is no
        accepted = uniform.log() < rise - log_ratio
        rows = accepted[:, None]
        moved = _State(
            torch.where(rows, new.x, state.x),
            torch.where(accepted, new.log_u, state.log_u),
            torch.where(rows, new.slope, state.slope),
        )
        return moved, torch.where(accepted, rise, 0.0)


def _values(target: LogDensity, x: Tensor) -> Tensor:
    """log u (rows) at x (rows, D); -inf where it is NaN.

    Raises:
        TargetError: no tensor, or one of another shape.
    """
    values = target(x)
    if not isinstance(values, Tensor) or values.shape != x.shape[:1]:
        shape = tuple(values.shape) if isinstance(values, Tensor) else f"{values!r:.60}"
        raise TargetError(
            f"the target of a layer must map points {tuple(x.shape)} to one number a row, "
            f"({len(x)},), but it gives {shape}; sum over the features, e.g. .sum(-1)"
        )
    values = values.to(x.dtype)
    return torch.where(values.isnan(), -torch.inf, values)


def _with_slope(target: LogDensity, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """x, log u and its gradient, 0 where that is not finite; with a graph if ``x`` is to have one.

    Raises:
        TargetError: as ``_values``, or values without a gradient.
    """
    keep = torch.is_grad_enabled()
    with torch.enable_grad():
        point = x if x.requires_grad and keep else x.detach().requires_grad_()
        values = _values(target, point)
        if not values.requires_grad:
            raise TargetError(
                "the values of the target of a layer carry no gradient to its argument: compute "
                "them from it by torch operations"
            )
        (slope,) = torch.autograd.grad(
            values.sum(), point, create_graph=keep, materialize_grads=True
        )
    return x, values if keep else values.detach(), torch.where(slope.isfinite(), slope, 0.0)
