"""Absolute values: where the base is folded onto the data, and where the data onto the base."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from diffeo.checks import check_batch, check_features
from diffeo.nets import MaskedMLP, StandardizeContext
from diffeo.nets.layers import compress
from diffeo.supports import Positive
from diffeo.surjections.rows import with_context
from diffeo.surjections.surjection import Surjection

__all__ = ["AbsoluteValue", "RandomSign"]


class AbsoluteValue(Surjection):
    """Positive numbers as absolute values, whose signs the inverse draws:

        x = |z|,    z = s x with signs s of probability 1/2 each,    contribution D log 2.

    The bound is the density itself where that of z has the same value at all signs. Ignores
    context.

    Args:
        features: number of columns D.

    Shapes: z, x (*batch, D).

    Raises:
        ShapeError: fewer than one feature; events of another shape.

    Reference: "SurVAE Flows: Surjections to Bridge the Gap between VAEs and Flows", Nielsen, Jaini,
    Hoogeboom, Winther, Welling, 2020, arXiv:2007.02731.

    Example:
        >>> import torch, diffeo
        >>> layer = diffeo.surjections.AbsoluteValue(2)
        >>> layer(torch.tensor([-1.0, 2.0]))
        tensor([1., 2.])
    """

    has_rsample = True

    def __init__(self, features: int) -> None:
        check_features("AbsoluteValue", features)
        super().__init__((features,), (features,))
        self.codomain = Positive()

    def forward(
        self,
        z: Tensor,
        context: Tensor | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        return _size(check_batch(self, z, None, self.in_shape, 0))

    def inverse(
        self,
        x: Tensor,
        context: Tensor | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor]:
        x = check_batch(self, x, None, self.out_shape, 0)
        half = torch.full_like(x, 0.5)
        contribution = x.new_full(x.shape[:-1], self.out_shape[0] * math.log(2))
        return _signs(half, _uniform(x, generator)) * x, contribution


class RandomSign(Surjection):
    """Signs that ``forward`` puts on positive numbers, and the inverse takes off:

        x = s z,    s ~ p(s | z, context),    z = |x|,    contribution log p(s | z, context).

    The contribution is exact. With independent signs of probability 1/2 the density is symmetric in
    every column; otherwise a network gives each sign its probability from z, from the signs before
    it and from the context, so that no density is out of reach.

    Args:
        features: number of columns D.
        symmetric: signs of probability 1/2.
        context: width of the context; 0 for none. Symmetric signs ignore it.
        hidden: hidden widths of the network.

    Shapes: z, x (*batch, D), context (*batch, context).

    Raises:
        ShapeError: fewer than one feature; events of another shape.
        ContextError: a missing context, or one of another width.

    Reference: "SurVAE Flows: Surjections to Bridge the Gap between VAEs and Flows", Nielsen, Jaini,
    Hoogeboom, Winther, Welling, 2020, arXiv:2007.02731.

    Example:
        >>> import torch, diffeo
        >>> size = diffeo.NSF(features=2, supports=diffeo.positive())
        >>> flow = diffeo.SurjectiveFlow(size, diffeo.surjections.RandomSign(2, symmetric=True))
        >>> up, down = flow.log_prob(torch.tensor([[1.0, 2.0], [1.0, -2.0]]))
        >>> bool(up == down), flow.exactness
        (True, 'exact')
    """

    exactness = "exact"

    def __init__(
        self,
        features: int,
        *,
        symmetric: bool = False,
        context: int = 0,
        hidden: Sequence[int] = (64, 64),
    ) -> None:
        check_features("RandomSign", features)
        super().__init__((features,), (features,))
        self.domain = Positive()
        self.has_rsample = symmetric
        self.context = 0 if symmetric else context
        width = features + self.context
        self.network = None if symmetric else MaskedMLP(features, 1, hidden, context=width)
        self.standardize = None if symmetric else StandardizeContext(width)

    def _seen(self, z: Tensor, context: Tensor | None) -> Tensor:
        assert self.standardize is not None
        row = with_context(z, context if self.context else None)
        return compress(self.standardize(row))

    def forward(
        self,
        z: Tensor,
        context: Tensor | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        z = check_batch(self, z, context, self.in_shape, self.context)
        uniform = _uniform(z, generator)
        if self.network is None:
            return _signs(torch.full_like(z, 0.5), uniform) * z
        seen = self._seen(z, context).reshape(-1, z.shape[-1] + self.context)
        thresholds, signs = list(uniform.reshape(-1, z.shape[-1]).unbind(-1)), {}

        def find(i: int, logit: Tensor) -> Tensor:
            signs[i] = _signs(torch.sigmoid(logit[0]), thresholds[i])
            return signs[i][None]

        self.network.in_order(find, len(seen), seen)
        drawn = torch.stack([signs[i] for i in range(z.shape[-1])], dim=-1)
        return drawn.reshape(z.shape).to(z.dtype) * z

    def inverse(
        self,
        x: Tensor,
        context: Tensor | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor]:
        x = check_batch(self, x, context, self.out_shape, self.context)
        z = _size(x)
        if self.network is None:
            return z, x.new_full(x.shape[:-1], -x.shape[-1] * math.log(2))
        signs = torch.where(x < 0, -torch.ones_like(x), torch.ones_like(x))
        logits = self.network(signs, self._seen(z, context)).to(x.dtype)
        return z, F.logsigmoid(signs * logits).sum(-1)

    def initialize(self, x: Tensor, context: Tensor | None = None) -> None:
        if self.standardize is not None:
            row = with_context(_size(x), context if self.context else None)
            self.standardize.initialize(row)


def _size(x: Tensor) -> Tensor:
    """|x|, and where that is 0 the least normal number, so that it is positive."""
    return x.abs().clamp(min=torch.finfo(x.dtype).tiny)


def _uniform(like: Tensor, generator: torch.Generator | None) -> Tensor:
    return torch.rand(like.shape, generator=generator, dtype=like.dtype, device=like.device)


def _signs(probability: Tensor, uniform: Tensor) -> Tensor:
    """+1 with the probability, else -1."""
    one = torch.ones_like(uniform)
    return torch.where(uniform < probability, one, -one)
