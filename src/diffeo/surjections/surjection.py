"""The contract of every surjection."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from diffeo.described import Described
from diffeo.supports import Real, Support
from diffeo.transform import Exactness

__all__ = ["Surjection"]


class Surjection(Described, nn.Module, ABC):
    """A map onto another event space that is not one-to-one, with its likelihood contribution.

    As for a transform, ``forward`` goes from base to data and ``inverse`` from data to base. One
    of the two draws, or both do (``Stochastic``). Where the inverse draws z from q(z | x), among
    the z that ``forward`` maps to x, the contribution is -log q(z | x), and

        log p(x) >= E_q[log p(z) + contribution],    p(x) = E_q[p(z) exp(contribution)]

    if q reaches all of them: one draw gives a bound, the mean over many the density. Where only
    ``forward`` draws, the contribution is exact.

    Args:
        in_shape: event shape of z.
        out_shape: event shape of x.

    Attributes:
        in_shape, out_shape: event shapes.
        domain, codomain: supports of z and of x; of discrete columns x counts the values.
        context: width of the context it reads; 0 where it ignores context.
        exactness: "bound" where the inverse draws, "exact" where only ``forward`` does.
        has_rsample: whether ``forward`` carries gradients.
        clamps: whether ``forward`` takes any reals, and moves those outside the domain into it; a
            density that reaches beyond the domain then only loses that mass from the bound.
        compiles: whether both directions, without a generator, trace with
            ``torch.compile(fullgraph=True)``.

    Reference: "SurVAE Flows: Surjections to Bridge the Gap between VAEs and Flows", Nielsen, Jaini,
    Hoogeboom, Winther, Welling, 2020, arXiv:2007.02731.
    """

    exactness: Exactness = "bound"
    has_rsample: bool = False
    clamps: bool = False
    compiles: bool = True

    def __init__(self, in_shape: tuple[int, ...], out_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.in_shape = tuple(in_shape)
        self.out_shape = tuple(out_shape)
        self.context = 0
        self.domain: Support = Real()
        self.codomain: Support = Real()

    @abstractmethod
    def forward(
        self,
        z: Tensor,
        context: Tensor | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Map base to data.

        Args:
            z: (*batch, *in_shape), in the domain.
            context: (*batch, context), broadcast against the batch of ``z``.
            generator: of what is drawn; None for torch's global one.

        Returns:
            x (*batch, *out_shape).
        """

    @abstractmethod
    def inverse(
        self,
        x: Tensor,
        context: Tensor | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Map data to base.

        Args:
            x: (*batch, *out_shape), in the codomain.
            context: (*batch, context), broadcast against the batch of ``x``.
            generator: of what is drawn; None for torch's global one.

        Returns:
            z (*batch, *in_shape) and the contribution (*batch).
        """

    def path(
        self,
        z: Tensor,
        context: Tensor | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor]:
        """``forward``, and the contribution of the very z that x came from.

        Args:
            As ``forward``.

        Returns:
            x (*batch, *out_shape) and the contribution (*batch).

        Raises:
            TypeError: the inverse draws, and does not tell how likely a given z is.
        """
        if self.exactness == "bound":
            raise TypeError(
                f"{type(self).__name__}: its inverse draws, and does not tell how likely the z "
                f"behind a sample is, so that paths through it have no weight"
            )
        x = self(z, context, generator=generator)
        return x, self.inverse(x, context)[1]

    def initialize(self, x: Tensor, context: Tensor | None = None) -> None:
        """Set what depends on data from a batch ``x`` of data, once; most have nothing to set."""
