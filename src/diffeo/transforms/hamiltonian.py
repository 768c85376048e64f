"""Hamiltonian layers: leapfrog steps on position and momentum."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor

from diffeo.checks import check_batch, check_features
from diffeo.errors import ShapeError
from diffeo.transforms.amortised import Amortised
from diffeo.transforms.linear import full_precision
from diffeo.univariates.bounded import LOG_SCALE_BOUND, soft_bound

__all__ = ["Leapfrog", "LogDensity", "Mass"]

# position (*batch, D) and context (*batch, width) or None to log-density (*batch)
LogDensity = Callable[[Tensor, Tensor | None], Tensor]
Mass = Literal["diagonal", "full"]

# a longer step than the curvature of the density allows makes the positions explode
LOG_STEP_BOUND = math.log(10)


class _Dynamics(NamedTuple):
    """Step size and log beta_0 (*batch, 1); lower factor of M^-1, a diagonal one (*batch, D)."""

    step: Tensor
    log_beta: Tensor
    factor: Tensor
    full: bool

    def velocity(self, momentum: Tensor) -> Tensor:
        """M^-1 p, with M^-1 = F F^T."""
        if not self.full:
            return self.factor.square() * momentum
        return (self.factor @ (self.factor.mT @ momentum.unsqueeze(-1))).squeeze(-1)


class Leapfrog(Amortised):
    """Leapfrog steps of the Hamiltonian H(q, p) = -log_density(q) + p^T M^-1 p / 2:

        p <- p + (e / 2) grad log_density(q),   q <- q + e M^-1 p,
        p <- p + (e / 2) grad log_density(q),   p <- a_k p.

    Events are position and momentum side by side, (q, p). Each step preserves volume; tempering
    scales the momenta by a_k = (beta_{k-1} / beta_k)^(1/2) after step k, where beta rises from a
    learned beta_0 in (1/1000, 1) to 1 with 1 / sqrt(beta) quadratic in k, so that

        ladj = (D / 2) log beta_0

    is constant, and 0 without tempering. The inverse takes the same steps backwards, exactly. The
    step size e is learned around its start, by a factor between 1/10 and 10; M is learned and
    starts at the identity. (Rezende and Mohamed write M for the matrix that is M^-1 here, which
    is that of physics and of Hamiltonian Monte Carlo.)

    Args:
        features: number of positions D; events have 2 D numbers.
        log_density: what the dynamics climb: a function or module of yours that maps position
            (*batch, D) and context ((*batch, context), or None) to (*batch), each from its own
            row alone, twice differentiable in torch. It need not be normalised. Its own parameters
            learn with the layer. A file does not hold it: hand it over again to ``load``.
        steps: number of leapfrog steps.
        step_size: where e starts.
        mass: "diagonal", or "full" for any positive matrix.
        tempering: whether to temper.
        context: width of the context; 0 for parameters that do not depend on one.
        hidden: hidden widths of the network that predicts e, M and beta_0 from context.

    Shapes: x (*batch, 2 D), context (*batch, context).

    Raises:
        ShapeError: fewer than one feature or step, a log_density whose result is not one number
            a row, or events of another shape.
        ValueError: a step size that is not positive, or an unknown kind of mass.
        ContextError: a missing context, or one of another width.

    Reference: "Hamiltonian Variational Auto-Encoder", Caterini, Doucet, Sejdinovic, 2018,
    arXiv:1805.11328; "Markov Chain Monte Carlo and Variational Inference: Bridging the Gap",
    Salimans, Kingma, Welling, 2015, arXiv:1410.6460; "Variational Inference with Normalizing
    Flows", Rezende, Mohamed, 2015, arXiv:1505.05770 (section 3.2).

    Example:
        >>> import torch, diffeo
        >>> def log_density(q, context):
        ...     return -0.5 * q.square().sum(-1)
        >>> layer = diffeo.transforms.Leapfrog(3, log_density, steps=5)
        >>> x, ladj = layer(torch.zeros(10, 6))
    """

    def __init__(
        self,
        features: int,
        log_density: LogDensity,
        *,
        steps: int = 3,
        step_size: float = 0.1,
        mass: Mass = "diagonal",
        tempering: bool = False,
        context: int = 0,
        hidden: Sequence[int] = (128, 128),
    ) -> None:
        check_features("Leapfrog", features)
        if steps < 1:
            raise ShapeError(f"Leapfrog: steps must be at least 1, got {steps}")
        if not (math.isfinite(step_size) and step_size > 0):
            raise ValueError(f"Leapfrog: step_size must be positive, got {step_size}")
        if mass not in get_args(Mass):
            raise ValueError(f"Leapfrog: mass must be one of {get_args(Mass)}, got {mass!r}")
        super().__init__((2 * features,))
        self.log_density = log_density
        self.features = features
        self.steps = steps
        self.step_size = float(step_size)
        self.full = mass == "full"
        self.tempering = tempering
        triangle = features * features if self.full else 0
        # beta_0 starts near 1/2
        hot = torch.full((int(tempering),), -2.2)
        self._learn(torch.cat([torch.zeros(1 + features + triangle), hot]), context, hidden)

    def dynamics(self, x: Tensor, context: Tensor | None = None) -> _Dynamics:
        """Step size, log beta_0 and the factor of M^-1, in the dtype of ``x``."""
        features = self.features
        sizes = [1, features, features * features * self.full, int(self.tempering)]
        log_step, diagonal, below, hot = self._params(x, context).split(sizes, dim=-1)
        step = self.step_size * soft_bound(log_step, LOG_STEP_BOUND).exp()
        # without tempering beta is 1 throughout
        log_beta = -LOG_SCALE_BOUND * torch.sigmoid(hot) if self.tempering else 0 * step
        # half the bound, because M^-1 = F F^T
        factor = (soft_bound(diagonal) / 2).exp()
        if self.full:
            triangle = below.unflatten(-1, (features, features)).tril(-1)
            factor = triangle + torch.diag_embed(factor)
        return _Dynamics(step, log_beta, factor, self.full)

    def _gradient(self, position: Tensor, context: Tensor | None) -> Tensor:
        def total(q: Tensor) -> Tensor:
            values = self.log_density(q, context)
            if values.shape != q.shape[:-1]:
                raise ShapeError(
                    f"Leapfrog: log_density must map positions {tuple(q.shape)} to one number a "
                    f"row, {tuple(q.shape[:-1])}, but it gives {tuple(values.shape)}"
                )
            return values.sum()

        return torch.func.grad(total)(position)

    def _cooling(self, dynamics: _Dynamics, step: int) -> Tensor:
        """a_k of step k = 1..K: the ratio of 1 / sqrt(beta) after the step and before."""
        hottest = torch.exp(-dynamics.log_beta / 2)
        after, before = (hottest + (1 - hottest) * (k / self.steps) ** 2 for k in (step, step - 1))
        return after / before

    def _ladj(self, dynamics: _Dynamics, x: Tensor) -> Tensor:
        return (self.features / 2 * dynamics.log_beta.squeeze(-1)).expand(x.shape[:-1])

    def _prepare(
        self, x: Tensor, context: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor | None, _Dynamics]:
        """Position, momentum, the context of log_density and the dynamics."""
        position, momentum = x.split(self.features, dim=-1)
        seen = None
        if self.context and context is not None:
            seen = context.expand(*x.shape[:-1], -1).to(x.dtype)
        return position, momentum, seen, self.dynamics(x, context)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        x = check_batch(self, x, context, self.in_shape, self.context)
        with full_precision(x):
            q, p, seen, dynamics = self._prepare(x, context)
            force = self._gradient(q, seen)
            for k in range(1, self.steps + 1):
                p = p + dynamics.step / 2 * force
                q = q + dynamics.step * dynamics.velocity(p)
                force = self._gradient(q, seen)
                p = p + dynamics.step / 2 * force
                p = self._cooling(dynamics, k) * p
            return torch.cat([q, p], dim=-1), self._ladj(dynamics, x)

    def inverse(self, y: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        y = check_batch(self, y, context, self.in_shape, self.context)
        with full_precision(y):
            q, p, seen, dynamics = self._prepare(y, context)
            force = self._gradient(q, seen)
            for k in range(self.steps, 0, -1):
                p = p / self._cooling(dynamics, k)
                p = p - dynamics.step / 2 * force
                q = q - dynamics.step * dynamics.velocity(p)
                force = self._gradient(q, seen)
                p = p - dynamics.step / 2 * force
            return torch.cat([q, p], dim=-1), -self._ladj(dynamics, y)
