"""A potential whose slope is a velocity, with its Laplacian in closed form."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from diffeo.nets.vector_field import Field, Rates, times_like

__all__ = ["Potential"]

# most rows of A
RANK = 10


class Potential(Field):
    """The velocity v = grad_x f(s), s = (x, t, context), of the potential

        f(s) = w . u_M(s) + |A s|^2 / 2 + b . s,
        u_0 = a(K_0 s + b_0),   u_i = u_(i-1) + h a(K_i u_(i-1) + b_i),   a(z) = log(2 cosh z),

    with h = 1 / M for M > 0 residual layers. The divergence, which is the Laplacian of f, is exact
    and costs no more than a pass with D columns. The penalty of ``rates`` is the violation of the
    Hamilton-Jacobi-Bellman equation, |df/dt + |v|^2 / 2|, which is 0 on optimal paths. The velocity
    is within 1e-3 of 0 at first (w = 0, A small), where x is of the order 1; far out it is linear.

    Args:
        features: number of features D.
        hidden: one equal width a layer: of u_0 and of each residual layer.
        context: width of the context; 0 for none.

    Shapes: x (*batch, D), t () or (*batch), context (*batch, context) -> (*batch, D).

    Raises:
        ShapeError: fewer than one feature.
        ValueError: no layer, or widths that differ.
        ContextError: at a call, for a missing context or one of another width.

    Reference: "OT-Flow: Fast and Accurate Continuous Normalizing Flows via Optimal Transport",
    Onken, Wu Fung, Li, Ruthotto, 2021, arXiv:2006.00104 (sections 3 and 4; their time runs from
    data to base, and their potential has the other sign).

    Example:
        >>> import torch, diffeo
        >>> diffeo.nets.Potential(2, hidden=(32, 32))(torch.zeros(5, 2), torch.tensor(0.5)).shape
        torch.Size([5, 2])
    """

    closed_divergence = True

    def __init__(self, features: int, hidden: Sequence[int] = (32, 32), context: int = 0) -> None:
        super().__init__(features, context)
        if len(set(hidden)) != 1:
            raise ValueError(f"Potential needs layers of one width, got {tuple(hidden)}")
        inputs, width = features + 1 + context, hidden[0]
        self.opening = nn.Linear(inputs, width)
        self.residual = nn.ModuleList(nn.Linear(width, width) for _ in hidden[1:])
        self.weight = nn.Parameter(torch.zeros(width))
        rank = min(RANK, inputs)
        self.quadratic = nn.Parameter(0.01 * torch.randn(rank, inputs) / math.sqrt(rank))
        self.linear = nn.Parameter(torch.zeros(inputs))

    @property
    def step(self) -> float:
        """h, the weight of each residual layer."""
        return 1 / max(1, len(self.residual))

    def forward(self, x: Tensor, t: Tensor, context: Tensor | None = None) -> Tensor:
        s = self._joined(x, t, context)
        bends = self._up(s)
        return self._slope(s, bends, self._down(bends))[..., : self.features]

    def rates(self, x: Tensor, t: Tensor, context: Tensor | None, probes: Tensor) -> Rates:
        s = self._joined(x, t, context)
        bends = self._up(s)
        pulled = self._down(bends)
        slope = self._slope(s, bends, pulled)
        velocity, in_time = slope[..., : self.features], slope[..., self.features]
        violation = (in_time + velocity.square().sum(-1) / 2).abs()
        return velocity, self._laplacian(bends, pulled), violation

    def _joined(self, x: Tensor, t: Tensor, context: Tensor | None) -> Tensor:
        given = self._given(context)
        parts = [x, times_like(x, t), *([] if given is None else [given.to(x.dtype)])]
        batch = torch.broadcast_shapes(*(part.shape[:-1] for part in parts))
        return torch.cat([part.expand(*batch, -1) for part in parts], dim=-1)

    def _up(self, s: Tensor) -> list[Tensor]:
        """a'(.) of every layer."""
        at = self.opening(s)
        bends, u = [at.tanh()], _log_2_cosh(at)
        for layer in self.residual:
            at = layer(u)
            bends.append(at.tanh())
            u = u + self.step * _log_2_cosh(at)
        return bends

    def _down(self, bends: list[Tensor]) -> list[Tensor]:
        """The slope of f to what each layer adds, h times, from u_0's to the last one's."""
        pulled = [self.weight.expand_as(bends[-1])]
        for layer, bend in zip(reversed(list(self.residual)), reversed(bends[1:]), strict=True):
            back = F.linear(bend * pulled[0], layer.weight.t())  # type: ignore[operator]
            pulled.insert(0, pulled[0] + self.step * back)
        return pulled

    def _slope(self, s: Tensor, bends: list[Tensor], pulled: list[Tensor]) -> Tensor:
        """df/ds, given what ``_up`` and ``_down`` find."""
        network = F.linear(bends[0] * pulled[0], self.opening.weight.t())
        quadratic = F.linear(F.linear(s, self.quadratic), self.quadratic.t())
        return network + quadratic + self.linear

    def _laplacian(self, bends: list[Tensor], pulled: list[Tensor]) -> Tensor:
        first = self.opening.weight[:, : self.features]
        total = (pulled[0] * (1 - bends[0].square())) @ first.square().sum(-1)
        # du/dx, (*batch, width, D)
        moved = bends[0][..., None] * first
        for layer, bend, pull in zip(self.residual, bends[1:], pulled[1:], strict=True):
            inner = layer.weight @ moved  # type: ignore[operator]
            curved = self.step * pull * (1 - bend.square())
            total = total + (curved * inner.square().sum(-1)).sum(-1)
            moved = moved + self.step * bend[..., None] * inner
        return total + self.quadratic[:, : self.features].square().sum()


def _log_2_cosh(x: Tensor) -> Tensor:
    # smooth everywhere, unlike |x| + log(1 + exp(-2 |x|)); the threshold suits float64
    return x + F.softplus(-2 * x, threshold=40.0)
