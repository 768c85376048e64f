"""Layers both of whose directions draw."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from diffeo.surjections.surjection import Surjection

__all__ = ["Stochastic"]


class Stochastic(Surjection):
    """x ~ p(x | z) one way and z ~ q(z | x) the other, so that neither undoes the
    other, with the contribution

        log p(x | z) - log q(z | x)

    of the pair, or of the whole path where there are steps between. A subclass writes ``path`` and
    ``inverse``.

    Args:
        shape: event shape of z and of x.

    Reference: "Stochastic Normalizing Flows", Wu, Koehler, Noe, 2020, arXiv:2002.06707.
    """

    has_rsample = True

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__(shape, shape)

    @abstractmethod
    def path(
        self,
        z: Tensor,
        context: Tensor | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor]:
        """x (*batch, *out_shape) drawn from p(x | z), and the contribution (*batch) of the path."""

    def forward(
        self,
        z: Tensor,
        context: Tensor | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        return self.path(z, context, generator=generator)[0]
