"""The exponential-map transform of spheres."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from diffeo.checks import check_batch, check_count
from diffeo.roots import MOST_STEPS, repeat_while, warn_unless_converged
from diffeo.supports import Sphere
from diffeo.transforms.amortised import Amortised
from diffeo.transforms.inside import unless_outside
from diffeo.transforms.linear import full_precision
from diffeo.univariates.bounded import soft_bound

__all__ = ["ExponentialMap"]

# of the weights' sum, so that no direction shrinks to less than 1/1000
LARGEST = 0.999
# a fresh layer is within 1e-3 of the identity, and feels gradients all the same
FIRST_WEIGHT, FIRST_RATE = 1e-4, 4.0

State = tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]


class ExponentialMap(Amortised):
    """Moves the unit vectors of R^n along the gradient of a potential with several peaks:

        y = exp_x(v) = cos |v| x + sin |v| / |v| v,
        v = (I - x x') sum_i a_i exp(b_i (x . m_i - 1)) m_i,
        ladj = 1/2 log det of E' J' J E,   J = dy/dx, E a basis of the directions along the sphere.

    v is the gradient along the sphere of sum_i a_i / b_i exp(b_i (x . m_i - 1)). Weights a_i > 0
    that sum to at most 0.999 and rates b_i > 0 make it invertible, for the potential is then
    c-convex. The inverse is found by Newton's method whose steps are shortened until they help.
    Starts near the identity, at random peaks m_i.

    Args:
        dim: dimension n of the space around the sphere, at least 2.
        peaks: how many.
        context: width of the context; 0 for peaks that do not depend on one.
        hidden: hidden widths of the network that predicts a, b, m from context.

    Shapes: x (*batch, n), context (*batch, context).

    Raises:
        ShapeError: fewer than 2 dimensions, or events of another shape.
        ValueError: fewer than one peak.
        ContextError: a missing context, or one of another width.

    Warns:
        ConvergenceWarning: rows whose inverse has not converged (not under ``torch.compile``).

    Reference: "A Jacobian inequality for gradient maps on the sphere and its application to
    directional statistics", Sei, 2013, doi:10.1080/03610926.2011.563017; "Normalizing Flows on Tori
    and Spheres", Rezende, Papamakarios, Racaniere, Albergo, Kanwar, Shanahan, Cranmer, 2020,
    arXiv:2002.02428 (section 2.3).

    Example:
        >>> import torch, diffeo
        >>> layer = diffeo.transforms.ExponentialMap(3, peaks=4)
        >>> y, ladj = layer(torch.eye(3))
    """

    def __init__(
        self,
        dim: int,
        peaks: int = 16,
        *,
        context: int = 0,
        hidden: Sequence[int] = (128, 128),
    ) -> None:
        sphere = Sphere(dim)
        super().__init__((dim,))
        self.domain = self.codomain = sphere
        count = check_count("ExponentialMap: peaks", peaks)
        directions = F.normalize(torch.randn(count, dim), dim=-1)
        logits = torch.full((count, 1), math.log(FIRST_WEIGHT / count))
        self._learn(torch.cat([directions, logits, torch.zeros(count, 1)], dim=-1), context, hidden)

    def _peaks(self, x: Tensor, context: Tensor | None) -> _Peaks:
        raw = self._params(x, context)
        direction, logit, rate = raw.split([raw.shape[-1] - 2, 1, 1], dim=-1)
        # the last share is that of no peak
        share = torch.softmax(F.pad(logit.squeeze(-1), (0, 1)), dim=-1)[..., :-1]
        return _Peaks(
            F.normalize(direction, dim=-1, eps=torch.finfo(x.dtype).tiny),
            LARGEST * share,
            FIRST_RATE * soft_bound(rate.squeeze(-1)).exp(),
        )

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        x = check_batch(self, x, context, self.in_shape, self.context)
        with full_precision(x):
            y, jacobian = self._peaks(x, context).move(self.domain.nearest(x))
            return y, torch.linalg.slogdet(jacobian).logabsdet

    def inverse(self, y: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        y = check_batch(self, y, context, self.in_shape, self.context)
        with full_precision(y):
            peaks, target = self._peaks(y, context), self.codomain.nearest(y)
            with torch.no_grad():
                root = _solve(peaks, target.detach())
                jacobian = peaks.move(root)[1]
            # one more step, which carries the gradients
            x = _stepped(root, _newton(root, target - peaks.move(root)[0], jacobian))
            ladj = -torch.linalg.slogdet(peaks.move(x)[1]).logabsdet
        return x, unless_outside(self.codomain, y, ladj)


class _Peaks(NamedTuple):
    """Peaks m (..., K, n), their weights a and rates b (..., K)."""

    direction: Tensor
    weight: Tensor
    rate: Tensor

    def move(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """y (*batch, n), and dy/dx along the sphere plus y x' (*batch, n, n).

        As dy/dx along the sphere gives directions at y, |det| of the sum is the volume's change.
        """
        pull = self.weight * torch.exp(self.rate * (_dot(x.unsqueeze(-2), self.direction) - 1))
        slope = (pull.unsqueeze(-2) @ self.direction).squeeze(-2)
        bend = ((self.rate * pull).unsqueeze(-1) * self.direction).mT @ self.direction
        along = _dot(slope, x)
        v = slope - along.unsqueeze(-1) * x
        square = _dot(v, v)
        cosine, sine, change = _series(square)

        eye = torch.eye(x.shape[-1], dtype=x.dtype, device=x.device)
        level = eye - _outer(x, x)
        inner = (bend - along[..., None, None] * eye) @ level
        turned = v.unsqueeze(-2) @ inner
        drift = inner - x.unsqueeze(-1) * (slope.unsqueeze(-2) @ level + _row(x, bend) @ level)
        y = cosine.unsqueeze(-1) * x + sine.unsqueeze(-1) * v
        jacobian = (
            cosine[..., None, None] * level
            + sine[..., None, None] * drift
            + (change.unsqueeze(-1) * v - sine.unsqueeze(-1) * x).unsqueeze(-1) * turned
            + _outer(y, x)
        )
        return y, jacobian


def _solve(peaks: _Peaks, y: Tensor) -> Tensor:
    """The x that is moved to ``y``."""
    eps = torch.finfo(y.dtype).eps

    def unfinished(count: Tensor, *rest: Tensor) -> Tensor:
        return (count < MOST_STEPS) & ~rest[-1].all()

    def advance(
        count: Tensor,
        x: Tensor,
        reached: Tensor,
        jacobian: Tensor,
        gap: Tensor,
        share: Tensor,
        done: Tensor,
    ) -> State:
        step = share.unsqueeze(-1) * _newton(x, y - reached, jacobian)
        proposal = _stepped(x, step)
        its_reached, its_jacobian = peaks.move(proposal)
        its_gap = _distance(its_reached, y)
        # a converged row stays, so that it does not depend on the rest of its batch
        better = (its_gap < gap) & ~done
        at = better.unsqueeze(-1)
        done = done | (step.square().sum(-1).sqrt() <= 2 * eps) | its_gap.isnan()
        return (
            count + 1,
            torch.where(at, proposal, x),
            torch.where(at, its_reached, reached),
            torch.where(at.unsqueeze(-1), its_jacobian, jacobian),
            torch.where(better, its_gap, gap),
            torch.where(better, (2 * share).clamp(max=1), share / 2),
            done,
        )

    # a traced loop wants its state apart, and in one layout
    start = y.clone(memory_format=torch.contiguous_format)
    reached, jacobian = (t.contiguous() for t in peaks.move(start))
    gap = _distance(reached, y)
    state: State = (
        torch.zeros((), dtype=torch.int64, device=y.device),
        start,
        reached,
        jacobian,
        gap,
        torch.ones_like(gap),
        torch.zeros_like(gap, dtype=torch.bool),
    )
    state = repeat_while(unfinished, advance, state)
    warn_unless_converged(state[-1], "ExponentialMap")
    return state[1]


def _newton(x: Tensor, miss: Tensor, jacobian: Tensor) -> Tensor:
    """The step along the sphere at ``x`` that makes up for a small ``miss`` of the result."""
    step = torch.linalg.solve_ex(jacobian, miss.unsqueeze(-1))[0].squeeze(-1)
    return step - _dot(step, x).unsqueeze(-1) * x


def _stepped(x: Tensor, step: Tensor) -> Tensor:
    return F.normalize(x + step, dim=-1)


def _distance(x: Tensor, y: Tensor) -> Tensor:
    return (x - y).square().sum(-1).sqrt()


def _series(square: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """cos t, sin t / t and their difference over t^2, of t^2 <= 1, smooth at 0."""
    cosine, sine, change = (torch.zeros_like(square) for _ in range(3))
    # the first term left out is 1 / 21!, less than a rounding of any dtype
    for k in reversed(range(10)):
        sign = (-1) ** k
        cosine = cosine * square + sign / math.factorial(2 * k)
        sine = sine * square + sign / math.factorial(2 * k + 1)
        change = change * square - sign * 2 * (k + 1) / math.factorial(2 * k + 3)
    return cosine, sine, change


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum(-1)


def _outer(a: Tensor, b: Tensor) -> Tensor:
    return a.unsqueeze(-1) * b.unsqueeze(-2)


def _row(x: Tensor, matrix: Tensor) -> Tensor:
    return x.unsqueeze(-2) @ matrix
