"""Orders that are forgotten: sorted numbers, and sets of vectors."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from diffeo.checks import check_batch, check_features
from diffeo.errors import ShapeError
from diffeo.supports import Features, Ordered, Real
from diffeo.surjections.stochastic import Stochastic
from diffeo.surjections.surjection import Surjection

__all__ = ["RandomOrder", "Shuffle", "Sort"]


class Sort(Surjection):
    """Increasing numbers as sorted ones, which the inverse shuffles:

        x = sort(z),    z = x in an order drawn uniformly,    contribution log D!.

    The bound is the density itself where that of z is the same in every order. Ignores context.

    Args:
        features: number of columns D.

    Shapes: z, x (*batch, D).

    Raises:
        ShapeError: fewer than one feature; events of another shape.

    Reference: "SurVAE Flows: Surjections to Bridge the Gap between VAEs and Flows", Nielsen, Jaini,
    Hoogeboom, Winther, Welling, 2020, arXiv:2007.02731.

    Example:
        >>> import torch, diffeo
        >>> layer = diffeo.surjections.Sort(3)
        >>> layer(torch.tensor([3.0, 1.0, 2.0]))
        tensor([1., 2., 3.])
        >>> layer.inverse(torch.tensor([1.0, 2.0, 3.0]))[1]
        tensor(1.7918)
    """

    has_rsample = True

    def __init__(self, features: int) -> None:
        check_features("Sort", features)
        super().__init__((features,), (features,))
        self.codomain = Ordered(features)

    def forward(
        self,
        z: Tensor,
        context: Tensor | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        z = check_batch(self, z, None, self.in_shape, 0)
        return z.sort(dim=-1).values

    def inverse(
        self,
        x: Tensor,
        context: Tensor | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor]:
        x = check_batch(self, x, None, self.out_shape, 0)
        z = _shuffled(x[..., None], generator)[..., 0]
        return z, x.new_full(x.shape[:-1], math.lgamma(x.shape[-1] + 1))


class RandomOrder(Surjection):
    """Sets of vectors, put in an order by the inverse and shuffled by ``forward``:

        z = the vectors of x, ordered by one of their coordinates,    contribution -log T!.

    The contribution is exact: whatever density the ordered vectors have, that of the set is the
    same in every order. Ignores context.

    Args:
        count: number of vectors T.
        features: their length F.
        by: the coordinate that orders them.

    Shapes: x (*batch, T, F); z (*batch, F * T): all T values of coordinate ``by``, increasing, then
    all of each other one.

    Raises:
        ShapeError: sizes below 1, or a coordinate beyond them; events of another shape.

    Reference: "SurVAE Flows: Surjections to Bridge the Gap between VAEs and Flows", Nielsen, Jaini,
    Hoogeboom, Winther, Welling, 2020, arXiv:2007.02731.

    Example:
        >>> import torch, diffeo
        >>> layer = diffeo.surjections.RandomOrder(count=4, features=2)
        >>> ordered = diffeo.NSF(features=8, supports=layer.domain.supports)
        >>> flow = diffeo.SurjectiveFlow(ordered, layer)
        >>> x = flow.sample(seed=0)
        >>> x.shape, torch.allclose(flow.log_prob(x), flow.log_prob(x.flip(0)))
        (torch.Size([4, 2]), True)
    """

    exactness = "exact"
    has_rsample = True

    def __init__(self, count: int, features: int, by: int = 0) -> None:
        check_features("RandomOrder: count", count)
        check_features("RandomOrder", features)
        if by not in range(features):
            raise ShapeError(f"RandomOrder: by must be a coordinate 0..{features - 1}, got {by!r}")
        super().__init__((features * count,), (count, features))
        self.domain = Features([Ordered(count), *[Real()] * (count * (features - 1))])
        # where each coordinate of x stands in z
        self._places = [*range(1, by + 1), 0, *range(by + 1, features)]
        self._by = by

    def forward(
        self,
        z: Tensor,
        context: Tensor | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        z = check_batch(self, z, None, self.in_shape, 0)
        count, features = self.out_shape
        columns = z.unflatten(-1, (features, count)).unbind(-2)
        return _shuffled(torch.stack([columns[p] for p in self._places], dim=-1), generator)

    def inverse(
        self,
        x: Tensor,
        context: Tensor | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor]:
        x = check_batch(self, x, None, self.out_shape, 0)
        columns = _taken(x, x[..., self._by].argsort(-1)).unbind(-1)
        first, others = columns[self._by], columns[: self._by] + columns[self._by + 1 :]
        z = torch.cat([first, *others], dim=-1)
        return z, z.new_full(z.shape[:-1], -math.lgamma(self.out_shape[0] + 1))


class Shuffle(Stochastic):
    """Vectors in an order that both directions draw anew, so that the density forgets it.

    The contribution is 0, and log p(x) >= E[log p(z)] over the orders z of x: the density of x is
    the mean of that of z over all T! orders. Unlike ``RandomOrder`` it takes any density below.
    Ignores context.

    Args:
        count: number of vectors T.
        features: their length F.

    Shapes: z, x (*batch, T, F).

    Raises:
        ShapeError: sizes below 1; events of another shape.

    Reference: "SurVAE Flows: Surjections to Bridge the Gap between VAEs and Flows", Nielsen, Jaini,
    Hoogeboom, Winther, Welling, 2020, arXiv:2007.02731.

    Example:
        >>> import torch, diffeo
        >>> layer = diffeo.surjections.Shuffle(count=3, features=1)
        >>> z, contribution = layer.inverse(torch.tensor([[1.0], [2.0], [3.0]]))
        >>> float(z.sum()), float(contribution)
        (6.0, 0.0)
    """

    def __init__(self, count: int, features: int) -> None:
        check_features("Shuffle: count", count)
        check_features("Shuffle", features)
        super().__init__((count, features))

    def path(
        self,
        z: Tensor,
        context: Tensor | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor]:
        z = check_batch(self, z, None, self.in_shape, 0)
        return _shuffled(z, generator), z.new_zeros(z.shape[:-2])

    def inverse(
        self,
        x: Tensor,
        context: Tensor | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor]:
        return self.path(x, context, generator=generator)


def _shuffled(x: Tensor, generator: torch.Generator | None) -> Tensor:
    """(*batch, T, F) with the T vectors of each event in an order of its own, drawn uniformly."""
    keys = torch.rand(x.shape[:-1], generator=generator, dtype=x.dtype, device=x.device)
    return _taken(x, keys.argsort(-1))


def _taken(x: Tensor, order: Tensor) -> Tensor:
    return x.gather(-2, order[..., None].expand(x.shape))
