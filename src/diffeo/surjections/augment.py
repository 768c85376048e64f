"""Further columns that the inverse draws."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from diffeo.checks import check_batch, check_features
from diffeo.density import Density
from diffeo.draw import Draw
from diffeo.surjections.proposal import initialize, logistic, matching
from diffeo.surjections.rows import with_context
from diffeo.surjections.surjection import Surjection

__all__ = ["Augment"]


class Augment(Surjection):
    """Columns a that exist for the flow alone, drawn by the inverse and dropped by ``forward``:

        z = (x, a),    a ~ q(a | x, context),    contribution -log q(a | x, context).

    A flow on the wider space can do what none on the narrow one can, for its maps may pass
    through the further columns. By default q is logistic and autoregressive.

    Args:
        features: number of columns D of x.
        extra: number of columns of a.
        context: width of the context; 0 for none.
        hidden: hidden widths of the network of q.
        proposal: a q of your own: a density of ``extra`` features given x and the context.

    Shapes: z (*batch, D + extra), x (*batch, D), context (*batch, context).

    Raises:
        ShapeError: sizes below 1, a proposal of other widths; events of another shape.
        ValueError: a given density whose ``log_prob`` is a bound.
        ContextError: a missing context, or one of another width.

    Reference: "Augmented Normalizing Flows: Bridging the Gap Between Generative Flows and Latent
    Variable Models", Huang, Dinh, Courville, 2020, arXiv:2002.07101.

    Example:
        >>> import torch, diffeo
        >>> layer = diffeo.surjections.Augment(features=2, extra=3)
        >>> z, contribution = layer.inverse(torch.ones(5, 2))
        >>> z.shape, layer(z).equal(torch.ones(5, 2))
        (torch.Size([5, 5]), True)
    """

    has_rsample = True

    def __init__(
        self,
        features: int,
        extra: int,
        *,
        context: int = 0,
        hidden: Sequence[int] = (64, 64),
        proposal: Density | None = None,
    ) -> None:
        check_features("Augment", features)
        check_features("Augment: extra", extra)
        super().__init__((features + extra,), (features,))
        self.context = context
        if proposal is None:
            self.proposal: Density = logistic(extra, features + context, hidden)
        else:
            self.proposal = matching("Augment", proposal, extra, features + context)
        self.compiles = self.proposal.compiles

    def _seen(self, x: Tensor, context: Tensor | None) -> Tensor:
        return with_context(x, context if self.context else None)

    def forward(
        self,
        z: Tensor,
        context: Tensor | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        z = check_batch(self, z, context, self.in_shape, self.context)
        return z[..., : self.out_shape[0]]

    def inverse(
        self,
        x: Tensor,
        context: Tensor | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor]:
        x = check_batch(self, x, context, self.out_shape, self.context)
        a, log_q = self.proposal._rsample_and_log_prob(Draw((), self._seen(x, context), generator))
        return torch.cat([x, a], dim=-1), -log_q

    def initialize(self, x: Tensor, context: Tensor | None = None) -> None:
        initialize(self.proposal, self._seen(x, context))
