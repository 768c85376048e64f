"""FlowMatching: a continuous flow that is trained without solving its equation."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from diffeo.density import Density
from diffeo.models.assembly import Supports
from diffeo.models.continuous import FieldFlow
from diffeo.nets import VectorField
from diffeo.objectives.flow_matching import (
    Coupling,
    Interpolation,
    check_matching,
    flow_matching,
)
from diffeo.training import Objective
from diffeo.transforms.continuous.solvers import Solver
from diffeo.transforms.continuous.transform import Trace
from diffeo.transforms.linear import full_precision

__all__ = ["FlowMatching"]

# times and draws of noise at which each validation row is judged
VALIDATION_DRAWS = 8


class FlowMatching(FieldFlow):
    """Continuous flow whose velocity is learned by regression on paths between noise and data.

    Once fitted it is a ``CNF``: the same ``log_prob``, ``sample``, context and files. ``fit``
    minimises the matching loss, one pass of the network a step; ``objective=
    diffeo.objectives.negative_log_likelihood`` goes on from there by likelihood.

    Validation, early stopping and ``record`` are by the matching loss too, at eight times and
    draws of noise a row that stay the same in every epoch: it is what training improves, it costs
    no solve, and on fixed draws its changes are far more certain than its value. It is not in
    nats, and not to be compared between paths or couplings; ``log_prob`` of held-out rows is.

    Args:
        features: number of features D.
        coupling: "independent", or "optimal" for pairs of noise and data that are optimal in each
            batch, which makes straighter paths (needs scipy, in ``diffeo[continuous]``).
        path: "linear" or "trigonometric", see ``objectives.interpolate``.
        noise: scale of the noise around the paths.
        context: width of the context; 0 for an unconditional density.
        hidden: hidden widths of the velocity field.
        solver, steps, tolerance, adjoint, trace: of ``log_prob`` and ``sample``, as for
            ``transforms.Continuous``, which also says what exact means of an equation that is
            solved numerically.
        supports: one support for all features, or supports side by side; None for the reals.
        base: density of the noise; by default a standard normal.
        seed: seed of the initial weights; None draws from torch's global generator.

    Attributes:
        continuous: the layer, whose ``evaluations`` says how often the last call evaluated v.

    Shapes: x (*batch, D), context (*batch, context).

    Raises:
        ShapeError: sizes that do not fit.
        ValueError: options out of range, or an optimal coupling with a context: it would make the
            noise depend on it.

    Reference: "Flow Matching for Generative Modeling", Lipman, Chen, Ben-Hamu, Nickel, Le, 2023,
    arXiv:2210.02747; "Improving and Generalizing Flow-Based Generative Models with Minibatch
    Optimal Transport", Tong, Fatras, Malkin, Huguet, Zhang, Rector-Brooks, Wolf, Bengio, 2024,
    arXiv:2302.00482; "Building Normalizing Flows with Stochastic Interpolants", Albergo,
    Vanden-Eijnden, 2023, arXiv:2209.15571.

    Example:
        >>> import torch, diffeo
        >>> flow = diffeo.FlowMatching(features=2, seed=0)
        >>> flow = flow.fit(torch.randn(500, 2), epochs=2, progress=False)
        >>> flow.log_prob(torch.zeros(10, 2)).shape
        torch.Size([10])
    """

    loss_name = "matching loss"

    def __init__(
        self,
        features: int,
        *,
        coupling: Coupling = "independent",
        path: Interpolation = "linear",
        noise: float = 0.0,
        context: int = 0,
        hidden: Sequence[int] = (64, 64, 64),
        solver: Solver = "rk4",
        steps: int = 32,
        tolerance: float = 1e-6,
        adjoint: bool = False,
        trace: Trace = "auto",
        supports: Supports = None,
        base: Density | None = None,
        seed: int | None = None,
    ) -> None:
        check_matching("FlowMatching", path, noise, coupling, conditional=context > 0)
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
        self.coupling: Coupling = coupling
        self.path: Interpolation = path
        self.noise = noise

    def training_objective(self) -> Objective:
        return matching


def matching(
    model: FlowMatching,
    x: Tensor,
    context: Tensor | None = None,
    weight: Tensor | None = None,
) -> Tensor:
    """The matching loss of ``objectives.flow_matching`` between the model's base and data.

    Args:
        model: the model.
        x: (rows, D), inside the support.
        context: (rows, context).
        weight: (rows,), with mean 1 over the data.
    """
    context = model._embed(context)
    if not model.training:
        # drawn anew, each copy has its own noise and time
        x = _copies(x)
        context = None if context is None else _copies(context)
        weight = None if weight is None else _copies(weight)
    with full_precision(x):
        x1, _ = model.before_ends(x, context)
        drawn: Tensor = (
            model.base.sample((), context) if model.base.context else model.base.sample(len(x1))
        )
        return flow_matching(
            model.field,
            drawn,
            x1,
            context,
            weight,
            path=model.path,
            noise=model.noise,
            coupling=model.coupling,
        )


def _copies(rows: Tensor) -> Tensor:
    return rows.repeat(VALIDATION_DRAWS, *(1,) * (rows.ndim - 1))
