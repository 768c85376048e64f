"""Continuous normalizing flows: an ordinary differential equation as a transform."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn

from diffeo.checks import check_batch, check_count, check_features
from diffeo.errors import ShapeError
from diffeo.nets import Field, VectorField
from diffeo.transform import Transform
from diffeo.transforms.continuous.solvers import (
    ADAPTIVE,
    FIXED,
    Rate,
    Solver,
    adaptively,
    in_steps,
)
from diffeo.transforms.linear import full_precision

__all__ = ["Continuous", "Noise", "Path", "Trace"]

Trace = Literal["auto", "exact", "hutchinson"]
Noise = Literal["rademacher", "normal"]

# features up to which the trace is exact where it may be
SMALL = 8


class Path(NamedTuple):
    """What an event has met on its way.

    Attributes:
        end: (*batch, D), where it arrived.
        ladj: (*batch), the integral of the divergence, in the direction of travel.
        kinetic: (*batch), the integral over time of |v|^2.
        penalty: (*batch), that of the field's own penalty: |dv/dx|^2 (Frobenius), or what
            ``nets.Potential`` says.
    """

    end: Tensor
    ladj: Tensor
    kinetic: Tensor
    penalty: Tensor


class Continuous(Transform):
    """The flow of a velocity field from t = 0 (base) to t = 1 (data):

        dx/dt = v(x, t, c),    d ladj/dt = tr dv/dx.

    The inverse integrates backwards. Starts at the identity (v = 0).

    ``exactness`` says what the trace is: "exact" where all D columns of the Jacobian are taken,
    "estimate" where it is Hutchinson's, e . (dv/dx) e for one random e a row and solve. Besides
    there is the solver's error, which either kind has: ladj and both directions are those of the
    differential equation up to the tolerance of an adaptive solver, or up to an error that falls
    as steps^-4 ("rk4"), steps^-2 ("midpoint") or 1 / steps ("euler"). ``residual`` shows it, and
    comparing with twice the steps.

    Fixed steps take the same time for every row, treat it by itself, and compile. Adaptive ones
    (torchdiffeq's, in ``diffeo[continuous]``) choose their steps for the hardest row of a batch, so
    that a row depends on the others within the tolerance.

    Args:
        features: number of features D.
        field: v, a ``nets.Field`` such as ``nets.Potential`` or one of your own; by default a
            ``nets.VectorField``.
        context: width of the context; 0 for none.
        hidden: hidden widths of the default field.
        solver: "euler", "midpoint" or "rk4" with fixed steps; "dopri5", "dopri8", "bosh3" or
            "adaptive_heun" with adaptive ones.
        steps: number of fixed steps.
        tolerance: of an adaptive solver, absolute and relative, for each row; it is widened where
            the dtype cannot reach it.
        adjoint: gradients by the adjoint equation, solved backwards by an adaptive solver: memory
            does not grow with the number of steps, but gradients have the solver's error. Else the
            steps themselves are differentiated.
        trace: "exact"; "hutchinson", which is exact in evaluation mode where D <= 8; or "auto",
            exact where D <= 8 and else Hutchinson's. A field with a closed divergence is exact.
        noise: of Hutchinson's estimate, drawn from torch's global generator. The signs of
            "rademacher" have the smallest variance.

    Attributes:
        evaluations: how often the last call (outside of ``torch.compile``) evaluated the field.
            Only for you to read.
        row_width: numbers a row in the widest layer, for choosing chunks.

    Shapes: x (*batch, D), context (*batch, context).

    Raises:
        ShapeError: fewer than one feature, events or a field of another shape.
        ContextError: a missing context, or one of another width.
        ValueError: an unknown solver, trace or noise; steps or a tolerance out of range; an adjoint
            of fixed steps.
        MissingExtraError: at a call, an adaptive solver without torchdiffeq.
        SolverError: at a call, an adaptive solver that does not reach its tolerance.

    Reference: "Neural Ordinary Differential Equations", Chen, Rubanova, Bettencourt, Duvenaud,
    2018, arXiv:1806.07366; "FFJORD: Free-form Continuous Dynamics for Scalable Reversible
    Generative Models", Grathwohl, Chen, Bettencourt, Sutskever, Duvenaud, 2019, arXiv:1810.01367.

    Example:
        >>> import torch, diffeo
        >>> layer = diffeo.transforms.Continuous(3, context=2)
        >>> y, ladj = layer(torch.zeros(5, 3), torch.zeros(5, 2))
        >>> layer.evaluations
        64
    """

    def __init__(
        self,
        features: int,
        *,
        field: Field | None = None,
        context: int = 0,
        hidden: Sequence[int] = (64, 64, 64),
        solver: Solver = "rk4",
        steps: int = 16,
        tolerance: float = 1e-6,
        adjoint: bool = False,
        trace: Trace = "auto",
        noise: Noise = "rademacher",
    ) -> None:
        check_features("Continuous", features)
        _check_options(solver, steps, tolerance, adjoint, trace, noise)
        super().__init__((features,))
        self.field = VectorField(features, hidden, context) if field is None else field
        _check_field(self.field, features, context)
        self.context = context
        self.solver = solver
        self.steps = steps
        self.tolerance = float(tolerance)
        self.adjoint = adjoint
        self.trace = trace
        self.noise = noise
        self.evaluations = 0
        self.compiles = solver in FIXED
        closed = self.field.closed_divergence or trace == "exact" or features <= SMALL
        self.exactness = "exact" if closed else "estimate"
        # every probe passes the network beside the point
        wide = max((len(p) for p in self.field.parameters() if p.ndim > 1), default=features)
        self.row_width = (1 + (features if closed else 1)) * wide

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self._with_ladj(x, context, 0.0, 1.0)

    def inverse(self, y: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self._with_ladj(y, context, 1.0, 0.0)

    def compiled_parts(self) -> Iterable[tuple[nn.Module, str]]:
        return (self.field, "forward"), (self.field, "rates")

    def transport(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """``forward`` without the ladj, which costs a part of it; of fixed steps the same numbers.

        Args:
            x: (*batch, D).
            context: (*batch, context).
        """
        x, given = self._checked(x, context)

        def rate(t: Tensor, state: Tensor) -> Tensor:
            velocity: Tensor = self.field(state, t, given)
            return velocity

        with full_precision(x):
            return self._solve(rate, x, given, 0.0, 1.0)

    def inverse_path(self, y: Tensor, context: Tensor | None = None) -> Path:
        """``inverse``, with the costs of the way that regularisers of training take.

        Args:
            y: (*batch, D).
            context: (*batch, context).

        Reference: "How to Train Your Neural ODE: the World of Jacobian and Kinetic
        Regularization", Finlay, Jacobsen, Nurbekyan, Oberman, 2020, arXiv:2002.02798.
        """
        y, given = self._checked(y, context)
        end = self._integrate(y, given, 1.0, 0.0, costs=True)
        x, ladj, kinetic, penalty = end.split([self.in_shape[0], 1, 1, 1], dim=-1)
        # against time the integrals have the other sign
        return Path(x, ladj[..., 0], -kinetic[..., 0], -penalty[..., 0])

    def _with_ladj(
        self, x: Tensor, context: Tensor | None, start: float, end: float
    ) -> tuple[Tensor, Tensor]:
        x, given = self._checked(x, context)
        state = self._integrate(x, given, start, end, costs=False)
        return state[..., :-1], state[..., -1]

    def _checked(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor | None]:
        x = check_batch(self, x, context, self.in_shape, self.context)
        return x, None if context is None or not self.context else context.to(x.dtype)

    def _integrate(
        self, x: Tensor, context: Tensor | None, start: float, end: float, *, costs: bool
    ) -> Tensor:
        """x (*batch, D) at the other end, with ladj, and with the costs if they are wanted."""
        features = self.in_shape[0]
        probes = self._probes(x)

        def rate(t: Tensor, state: Tensor) -> Tensor:
            velocity, divergence, penalty = self.field.rates(
                state[..., :features], t, context, probes
            )
            parts = [velocity, divergence[..., None]]
            if costs:
                parts += [velocity.square().sum(-1, keepdim=True), penalty[..., None]]
            return torch.cat(parts, dim=-1)

        with full_precision(x):
            state = torch.cat([x, x.new_zeros(*x.shape[:-1], 3 if costs else 1)], dim=-1)
            return self._solve(rate, state, context, start, end)

    def _solve(
        self, rate: Rate, state: Tensor, context: Tensor | None, start: float, end: float
    ) -> Tensor:
        if self.solver in FIXED:
            if not torch.compiler.is_compiling():
                self.evaluations = self.steps * FIXED[self.solver]
            return in_steps(rate, state, start, end, self.solver, self.steps)
        self.evaluations = 0

        def counted(t: Tensor, point: Tensor) -> Tensor:
            self.evaluations += 1
            return rate(t, point)

        learned = None
        if self.adjoint and torch.is_grad_enabled():
            seen = [] if context is None else [context]
            learned = [p for p in (*self.field.parameters(), *seen) if p.requires_grad]
        return adaptively(counted, state, start, end, self.solver, self.tolerance, learned)

    def _probes(self, x: Tensor) -> Tensor:
        """The unit vectors (D, 1.., D), or one random vector a row (1, *batch, D)."""
        features = self.in_shape[0]
        exact = self.trace == "exact" or self.field.closed_divergence
        small = features <= SMALL and not (self.trace == "hutchinson" and self.training)
        if exact or small:
            eye = torch.eye(features, dtype=x.dtype, device=x.device)
            return eye.reshape(features, *(1,) * (x.ndim - 1), features)
        if self.noise == "normal":
            return torch.randn(1, *x.shape, dtype=x.dtype, device=x.device)
        bits = torch.randint(2, (1, *x.shape), device=x.device)
        return 2 * bits.to(x.dtype) - 1


def _check_options(
    solver: str, steps: int, tolerance: float, adjoint: bool, trace: str, noise: str
) -> None:
    solvers = (*FIXED, *ADAPTIVE)
    for name, given, allowed in (
        ("solver", solver, solvers),
        ("trace", trace, get_args(Trace)),
        ("noise", noise, get_args(Noise)),
    ):
        if given not in allowed:
            raise ValueError(f"Continuous: {name} must be one of {allowed}, got {given!r}")
    check_count("Continuous: steps", steps)
    if not (math.isfinite(tolerance) and tolerance > 0):
        raise ValueError(f"Continuous: tolerance must be positive, got {tolerance!r}")
    if adjoint and solver in FIXED:
        raise ValueError(
            f"Continuous: the adjoint equation takes an adaptive solver ({', '.join(ADAPTIVE)}), "
            f"not {solver!r}"
        )


def _check_field(field: object, features: int, context: int) -> None:
    if not isinstance(field, Field):
        raise ShapeError(
            f"Continuous: field must be a diffeo.nets.Field, got a {type(field).__name__}; "
            f"derive yours from it and write forward(x, t, context)"
        )
    if (field.features, field.context) != (features, context):
        raise ShapeError(
            f"Continuous: its field has {field.features} features and a context of width "
            f"{field.context}, not {features} and {context}"
        )
