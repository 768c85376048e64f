"""Continuous flows that are trained by likelihood: CNF and OTFlow."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

from torch import Tensor

from diffeo.density import Density
from diffeo.draw import Draw
from diffeo.errors import ConvergenceWarning
from diffeo.models.assembly import LayeredFlow, Supports
from diffeo.nets import Field, Potential, VectorField
from diffeo.objectives import negative_log_likelihood
from diffeo.training import Objective
from diffeo.training.seeds import seeded
from diffeo.transforms import Continuous
from diffeo.transforms.continuous.solvers import FIXED, Solver
from diffeo.transforms.continuous.transform import Trace

__all__ = ["CNF", "FieldFlow", "OTFlow"]

# nats by which densities may be off before a fit warns
MOST_ERROR = 0.05


class FieldFlow(LayeredFlow):
    """A flow of one Continuous, then Standardize, then the features' supports.

    Args:
        features: number of columns of data.
        field: class of the velocity field.
        hidden: its widths.
        context: width of the context.
        solver, steps, tolerance, adjoint, trace: as for ``Continuous``.
        supports, base, seed: as for ``LayeredFlow``.
    """

    def __init__(
        self,
        features: int,
        field: type[VectorField] | type[Potential],
        *,
        hidden: Sequence[int],
        context: int,
        solver: Solver,
        steps: int,
        tolerance: float,
        adjoint: bool,
        trace: Trace,
        supports: Supports,
        base: Density | None,
        seed: int | None,
    ) -> None:
        super().__init__(
            features,
            lambda _, width: Continuous(
                width,
                field=field(width, hidden, context),
                context=context,
                solver=solver,
                steps=steps,
                tolerance=tolerance,
                adjoint=adjoint,
                trace=trace,
            ),
            layers=1,
            context=context,
            supports=supports,
            base=base,
            seed=seed,
            reversible=False,
        )

    @property
    def continuous(self) -> Continuous:
        """The layer next to the base."""
        layer = self.transform[0]  # type: ignore[index]
        assert isinstance(layer, Continuous)
        return layer

    @property
    def field(self) -> Field:
        """The velocity field."""
        return self.continuous.field

    def solver_error(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """|log q - log q'| (*batch) in nats, where q' is solved more finely.

        That is with twice the steps, or a hundredth of the tolerance. A network can learn to profit
        from steps that are too few, and then its densities are not those of any distribution;
        ``fit`` warns of it.

        Args:
            x: (*batch, D).
            context: (*batch, context).
        """
        layer = self.continuous
        given = layer.steps, layer.tolerance
        log_prob = self._with_fixed_noise(x, context)
        try:
            layer.steps, layer.tolerance = 2 * layer.steps, layer.tolerance / 100
            return (log_prob - self._with_fixed_noise(x, context)).abs()
        finally:
            layer.steps, layer.tolerance = given

    def _with_fixed_noise(self, x: Tensor, context: Tensor | None) -> Tensor:
        """Log-densities whose traces, where they are estimates, are by the same vectors."""
        with seeded(x.device, 0):
            log_prob: Tensor = self.log_prob(x, context)
        return log_prob

    def after_fit(self, x: Tensor, context: Tensor | None = None) -> None:
        # adaptive solvers see to their error themselves, and a finer tolerance may be out of reach
        if self.continuous.solver not in FIXED:
            return
        error = self.solver_error(x, context).mean()
        if not bool(error <= MOST_ERROR):
            warnings.warn(
                f"{type(self).__name__}: its log-densities are off by {float(error):.2g} nats on "
                f"average, as a finer solution shows, and cannot be relied on; take more than "
                f"steps={self.continuous.steps}, or an adaptive solver such as 'dopri5'",
                ConvergenceWarning,
                stacklevel=4,
            )

    def before_ends(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        """What the layers on the data's side make of x (*batch, D), and their ladj (*batch).

        Args:
            x: inside the support.
            context: embedded.
        """
        total = x.new_zeros(x.shape[:-1])
        for layer in reversed(list(self.transform)[1:]):  # type: ignore[call-overload]
            x, ladj = layer.inverse(x, context)
            total = total + ladj
        return x, total

    def _rsample(self, draw: Draw) -> Tensor:
        # samples alone do without the divergence; adaptive steps would be others without it
        if self.continuous.solver not in FIXED:
            return super()._rsample(draw)
        draw = draw.given(self._embed(draw.context, draw.chunk_size))
        x = draw.by_chunks(self.continuous.transport, self.base._rsample(draw), 1)
        for layer in list(self.transform)[1:]:  # type: ignore[call-overload]
            x, _ = draw.by_chunks(layer, x, 1)
        return x


class CNF(FieldFlow):
    """Continuous normalizing flow: a learned velocity carries noise to data in time 1.

    Trained by likelihood, which solves the equation in every step; ``FlowMatching`` learns the
    same model without. ``kinetic`` and ``jacobian`` add to the loss, in training alone, the means
    of the integrals of |v|^2 and of |dv/dx|^2 (Frobenius) along the way, as RNODE does: straight
    and even paths take a solver fewer steps.

    Args:
        features: number of features D.
        context: width of the context; 0 for an unconditional density.
        hidden: hidden widths of the velocity field.
        solver, steps, tolerance, adjoint, trace: as for ``transforms.Continuous``, which
            also says what exact means of an equation that is solved numerically.
        kinetic, jacobian: weights of the regularisers, in nats.
        supports: one support for all features, or supports side by side; None for the reals.
        base: density of the noise; by default a standard normal.
        seed: seed of the initial weights; None draws from torch's global generator.

    Attributes:
        continuous: the layer, whose ``evaluations`` says how often the last call evaluated v.

    Shapes: x (*batch, D), context (*batch, context).

    Raises:
        ShapeError: sizes that do not fit.
        ValueError: options out of range.

    Reference: "FFJORD: Free-form Continuous Dynamics for Scalable Reversible Generative Models",
    Grathwohl, Chen, Bettencourt, Sutskever, Duvenaud, 2019, arXiv:1810.01367; "How to Train Your
    Neural ODE: the World of Jacobian and Kinetic Regularization", Finlay, Jacobsen, Nurbekyan,
    Oberman, 2020, arXiv:2002.02798.

    Example:
        >>> import torch, diffeo
        >>> flow = diffeo.CNF(features=3, kinetic=0.01, jacobian=0.01)
        >>> flow.log_prob(torch.zeros(10, 3)).shape
        torch.Size([10])
    """

    def __init__(
        self,
        features: int,
        *,
        context: int = 0,
        hidden: Sequence[int] = (64, 64, 64),
        solver: Solver = "rk4",
        steps: int = 16,
        tolerance: float = 1e-6,
        adjoint: bool = False,
        trace: Trace = "auto",
        kinetic: float = 0.0,
        jacobian: float = 0.0,
        supports: Supports = None,
        base: Density | None = None,
        seed: int | None = None,
    ) -> None:
        _check_weights("CNF", kinetic=kinetic, jacobian=jacobian)
        super().__init__(
            features,
            VectorField,
            hidden=hidden,
            context=context,
            solver=solver,
            steps=steps,
            tolerance=tolerance,
            adjoint=adjoint,
            trace=trace,
            supports=supports,
            base=base,
            seed=seed,
        )
        self.regularisers = (kinetic, jacobian)

    def training_objective(self) -> Objective:
        return regularised_likelihood if any(self.regularisers) else negative_log_likelihood


class OTFlow(FieldFlow):
    """Continuous flow along the slope of a potential, on nearly optimal paths.

    Trained by likelihood, with the kinetic energy of the paths and the violation of the
    Hamilton-Jacobi-Bellman equation added to the loss, in training alone: of all flows from noise
    to data that of least energy is sought, which is straight and has a potential. The trace is
    exact, in closed form, at any D.

    Args:
        features: number of features D.
        context: width of the context; 0 for an unconditional density.
        hidden: one equal width a layer of the potential.
        solver, steps, tolerance, adjoint: as for ``transforms.Continuous``.
        transport: weight of the integral of |v|^2 / 2, in nats.
        hjb: weight of the integral of the violation, in nats.
        supports: one support for all features, or supports side by side; None for the reals.
        base: density of the noise; by default a standard normal.
        seed: seed of the initial weights; None draws from torch's global generator.

    Attributes:
        continuous: the layer, whose ``evaluations`` says how often the last call evaluated v.

    Shapes: x (*batch, D), context (*batch, context).

    Raises:
        ShapeError: sizes that do not fit.
        ValueError: options out of range.

    Reference: "OT-Flow: Fast and Accurate Continuous Normalizing Flows via Optimal Transport",
    Onken, Wu Fung, Li, Ruthotto, 2021, arXiv:2006.00104.

    Example:
        >>> import torch, diffeo
        >>> diffeo.OTFlow(features=3).log_prob(torch.zeros(10, 3)).shape
        torch.Size([10])
    """

    def __init__(
        self,
        features: int,
        *,
        context: int = 0,
        hidden: Sequence[int] = (64, 64),
        solver: Solver = "rk4",
        steps: int = 8,
        tolerance: float = 1e-6,
        adjoint: bool = False,
        transport: float = 0.01,
        hjb: float = 0.01,
        supports: Supports = None,
        base: Density | None = None,
        seed: int | None = None,
    ) -> None:
        _check_weights("OTFlow", transport=transport, hjb=hjb)
        super().__init__(
            features,
            Potential,
            hidden=hidden,
            context=context,
            solver=solver,
            steps=steps,
            tolerance=tolerance,
            adjoint=adjoint,
            trace="exact",
            supports=supports,
            base=base,
            seed=seed,
        )
        self.regularisers = (transport / 2, hjb)

    def training_objective(self) -> Objective:
        return regularised_likelihood if any(self.regularisers) else negative_log_likelihood


def regularised_likelihood(
    model: CNF | OTFlow,
    x: Tensor,
    context: Tensor | None = None,
    weight: Tensor | None = None,
) -> Tensor:
    """Mean of w (-log p(x | context) + a |v|^2 + b penalty) in nats, the latter two integrated.

    a and b are ``model.regularisers``. Outside of training mode it is the negative
    log-likelihood, so that validation compares models by what they are for.

    Args:
        model: the model.
        x: (rows, D), inside the support.
        context: (rows, context).
        weight: (rows,), with mean 1 over the data.
    """
    if not model.training:
        return negative_log_likelihood(model, x, context, weight)
    embedded = model._embed(context)
    y, ladj = model.before_ends(x, embedded)
    path = model.continuous.inverse_path(y, embedded)
    log_prob = model.base._log_prob(path.end, embedded) + path.ladj + ladj
    kinetic, penalty = model.regularisers
    loss = kinetic * path.kinetic + penalty * path.penalty - log_prob
    return (loss if weight is None else weight * loss).mean()


def _check_weights(name: str, **weights: float) -> None:
    for option, weight in weights.items():
        if not (math.isfinite(weight) and weight >= 0):
            raise ValueError(f"{name}: {option} must be a finite number >= 0, got {weight!r}")
