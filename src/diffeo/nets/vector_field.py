"""Velocities that depend on time: what continuous and matched flows learn."""

from __future__ import annotations

import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from diffeo.checks import check_context, check_features
from diffeo.described import Described
from diffeo.nets.layers import OutputLinear, compress

__all__ = ["Field", "Rates", "VectorField", "times_like"]

# velocity (*batch, D), its divergence (*batch) and what a regulariser integrates (*batch)
Rates = tuple[Tensor, Tensor, Tensor]

# of the sines and cosines of time that a network sees
FREQUENCIES = 4
# within which a network sees its input nearly as it is
INPUT_BOUND = 8.0


class Field(Described, nn.Module, ABC):
    """A velocity v(x, t, context), the contract of what ``transforms.Continuous`` integrates.

    A field of your own writes ``forward``; the rest is then done by automatic differentiation.

    Args:
        features: number of features D.
        context: width of the context; 0 for none.

    Attributes:
        features, context: as given.
        closed_divergence: whether ``rates`` knows the divergence without probes.
    """

    closed_divergence: bool = False

    def __init__(self, features: int, context: int = 0) -> None:
        check_features(type(self).__name__, features)
        super().__init__()
        self.features = features
        self.context = context

    @abstractmethod
    def forward(self, x: Tensor, t: Tensor, context: Tensor | None = None) -> Tensor:
        """The velocity at each row, from that row alone, twice differentiable.

        Args:
            x: (*batch, D).
            t: () or (*batch), from 0 at the base to 1 at the data.
            context: (*batch, context), broadcast against the batch of ``x``.

        Returns:
            (*batch, D).
        """

    def _given(self, context: Tensor | None) -> Tensor | None:
        """The context that the field reads, checked; None where it reads none."""
        check_context(self, context, self.context)
        return context if self.context else None

    def rates(self, x: Tensor, t: Tensor, context: Tensor | None, probes: Tensor) -> Rates:
        """The velocity, and sums over probes e, J being its Jacobian dv/dx:

            divergence = sum e . J e,   penalty = sum |J e|^2 or sum |J^T e|^2.

        With the D unit vectors these are the trace of J and the square of its Frobenius norm, and
        with one random vector of mean 0 and covariance 1 unbiased estimates of both.

        Args:
            x: (*batch, D).
            t: () or (*batch).
            context: (*batch, context).
            probes: (K, *batch, D), or with axes of length 1.

        Returns:
            Velocity (*batch, D), divergence and penalty (*batch).
        """

        # forward mode would do as well, but its first use warns of deprecated parts of torch
        pulled: Any = torch.func.vjp(lambda point: self(point, t, context), x)
        velocity, pull = pulled
        probes = probes.expand(-1, *x.shape)
        (moved,) = torch.func.vmap(pull)(probes)
        return velocity, *_sums(probes, moved)


class VectorField(Field):
    """A multi-layer perceptron v(x, t, context) with SiLU activations, 0 at first.

    Each hidden layer sees the context and t, 2 k sines and cosines of pi k t with it. Of x the
    network sees x / sqrt(1 + (x / 8)^2), so that velocities are bounded and no point runs away.

    Args:
        features: number of features D.
        hidden: widths of the hidden layers, at least one.
        context: width of the context; 0 for none.

    Shapes: x (*batch, D), t () or (*batch), context (*batch, context) -> (*batch, D).

    Raises:
        ShapeError: fewer than one feature.
        ValueError: no hidden layer.
        ContextError: at a call, for a missing context or one of another width.

    Example:
        >>> import torch, diffeo
        >>> diffeo.nets.VectorField(2, hidden=(32, 32))(torch.zeros(5, 2), torch.tensor(0.5)).shape
        torch.Size([5, 2])
    """

    def __init__(
        self, features: int, hidden: Sequence[int] = (64, 64, 64), context: int = 0
    ) -> None:
        super().__init__(features, context)
        if not hidden:
            raise ValueError("hidden must name at least one layer's width, got none")
        seen = 1 + 2 * FREQUENCIES + context
        self.hidden = nn.ModuleList(
            nn.Linear(before, after) for before, after in itertools.pairwise((features, *hidden))
        )
        self.shifts = nn.ModuleList(nn.Linear(seen, width, bias=False) for width in hidden)
        self.output = OutputLinear(hidden[-1], features)

    def forward(self, x: Tensor, t: Tensor, context: Tensor | None = None) -> Tensor:
        seen = _seen(x, t, self._given(context))
        h = compress(x, INPUT_BOUND)
        for layer, shift in zip(self.hidden, self.shifts, strict=True):
            h = F.silu(layer(h) + shift(seen))
        velocity: Tensor = self.output(h)
        return velocity

    def rates(self, x: Tensor, t: Tensor, context: Tensor | None, probes: Tensor) -> Rates:
        seen = _seen(x, t, self._given(context))
        h = compress(x, INPUT_BOUND)
        # the probes pass the layers beside the point, each activation by its slope
        moved = probes * _compress_slope(x)
        for layer, shift in zip(self.hidden, self.shifts, strict=True):
            at = layer(h) + shift(seen)
            h, gate = F.silu(at), torch.sigmoid(at)
            moved = F.linear(moved, layer.weight) * (gate + h * (1 - gate))  # type: ignore[arg-type]
        moved = F.linear(moved, self.output.weight)
        return self.output(h), *_sums(probes, moved)


def times_like(x: Tensor, t: Tensor) -> Tensor:
    """``t`` () or (*batch) as a column that broadcasts against x (*batch, D), in its dtype."""
    return t.to(x.dtype)[..., None]


def _seen(x: Tensor, t: Tensor, context: Tensor | None) -> Tensor:
    """Time and context side by side, (*batch, 9 + context)."""
    time = times_like(x, t)
    angles = math.pi * time * torch.arange(1, 1 + FREQUENCIES, dtype=x.dtype, device=x.device)
    seen = torch.cat([time, angles.sin(), angles.cos()], dim=-1)
    if context is None:
        return seen
    batch = torch.broadcast_shapes(seen.shape[:-1], context.shape[:-1])
    return torch.cat([seen.expand(*batch, -1), context.to(x.dtype).expand(*batch, -1)], dim=-1)


def _compress_slope(x: Tensor) -> Tensor:
    """The slope of ``compress``."""
    scaled = (x / INPUT_BOUND).clamp(-1e8, 1e8)
    return torch.rsqrt(1 + scaled * scaled) ** 3


def _sums(probes: Tensor, moved: Tensor) -> tuple[Tensor, Tensor]:
    return (probes * moved).sum(-1).sum(0), moved.square().sum(-1).sum(0)
