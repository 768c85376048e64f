"""Columns that leave the flow, with a density of their own."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from diffeo.checks import check_batch, check_features
from diffeo.density import Density
from diffeo.draw import Draw
from diffeo.errors import ShapeError
from diffeo.surjections.proposal import initialize, matching, on_reals
from diffeo.surjections.rows import with_context
from diffeo.surjections.surjection import Surjection

__all__ = ["Slice"]


class Slice(Surjection):
    """Columns d that the inverse drops and ``forward`` draws again, given those that it keeps:

        x = (z, d),    d ~ p(d | z, context),    contribution log p(d | z, context).

    The contribution is exact. The flow goes on with fewer columns, which is cheaper; this is the
    factoring out of a multi-scale flow. By default p is an autoregressive spline flow.

    Args:
        features: number of columns D of x.
        keep: the columns that go on, in the order in which they go on.
        context: width of the context; 0 for none.
        hidden: hidden widths of the network of p.
        bins: bins of the splines of p.
        density: a p of your own: a density of the other columns, in their order in x, given the
            kept ones and the context.

    Shapes: z (*batch, len(keep)), x (*batch, D), context (*batch, context).

    Raises:
        ShapeError: ``keep`` that keeps none or all or repeats a column, a density of other
            widths; events of another shape.
        ValueError: a given density whose ``log_prob`` is a bound.
        ContextError: a missing context, or one of another width.

    Reference: "SurVAE Flows: Surjections to Bridge the Gap between VAEs and Flows", Nielsen, Jaini,
    Hoogeboom, Winther, Welling, 2020, arXiv:2007.02731; "Density estimation using Real NVP", Dinh,
    Sohl-Dickstein, Bengio, 2016, arXiv:1605.08803 (section 3.6).

    Example:
        >>> import torch, diffeo
        >>> layer = diffeo.surjections.Slice(features=3, keep=[2, 0])
        >>> z, contribution = layer.inverse(torch.tensor([[1.0, 2.0, 3.0]]))
        >>> z
        tensor([[3., 1.]])
        >>> layer(z)[:, [2, 0]].detach()
        tensor([[3., 1.]])
    """

    kept: Tensor
    dropped: Tensor
    restore: Tensor

    def __init__(
        self,
        features: int,
        keep: Sequence[int],
        *,
        context: int = 0,
        hidden: Sequence[int] = (64, 64),
        bins: int = 8,
        density: Density | None = None,
    ) -> None:
        check_features("Slice", features)
        kept = list(keep)
        if not 0 < len(kept) < features or len({*kept} & {*range(features)}) != len(kept):
            raise ShapeError(
                f"Slice: keep must name some but not all of the columns 0..{features - 1}, each "
                f"once, got {kept}"
            )
        super().__init__((len(kept),), (features,))
        self.context = context
        dropped = [i for i in range(features) if i not in kept]
        order = torch.tensor([*kept, *dropped])
        self.register_buffer("kept", torch.tensor(kept), persistent=False)
        self.register_buffer("dropped", torch.tensor(dropped), persistent=False)
        self.register_buffer("restore", order.argsort(), persistent=False)
        if density is None:
            self.density: Density = on_reals(len(dropped), len(kept) + context, hidden, bins)
        else:
            self.density = matching("Slice", density, len(dropped), len(kept) + context)
        self.has_rsample = self.density.has_rsample
        self.compiles = self.density.compiles
        self.exactness = self.density.exactness

    def _seen(self, z: Tensor, context: Tensor | None) -> Tensor:
        return with_context(z, context if self.context else None)

    def forward(
        self,
        z: Tensor,
        context: Tensor | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        z = check_batch(self, z, context, self.in_shape, self.context)
        drawn = self.density._rsample(Draw((), self._seen(z, context), generator))
        return torch.cat([z, drawn], dim=-1).index_select(-1, self.restore)

    def inverse(
        self,
        x: Tensor,
        context: Tensor | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor]:
        x = check_batch(self, x, context, self.out_shape, self.context)
        z, dropped = x.index_select(-1, self.kept), x.index_select(-1, self.dropped)
        return z, self.density._log_prob(dropped, self._seen(z, context))

    def initialize(self, x: Tensor, context: Tensor | None = None) -> None:
        z, dropped = x.index_select(-1, self.kept), x.index_select(-1, self.dropped)
        initialize(self.density, self._seen(z, context), dropped)
