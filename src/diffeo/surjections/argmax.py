"""Categories as the argmax of real numbers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from diffeo.checks import check_batch
from diffeo.density import Density
from diffeo.draw import Draw
from diffeo.errors import ShapeError
from diffeo.supports import Features, Real, Support
from diffeo.supports.discrete import Categories
from diffeo.surjections.proposal import initialize, logistic, matching
from diffeo.surjections.rows import (
    as_list,
    by_column,
    encode,
    encoded_width,
    one_hot,
    with_context,
)
from diffeo.surjections.surjection import Surjection

__all__ = ["Argmax"]


class Argmax(Surjection):
    """A label among K as the argmax of K real numbers, which the inverse draws and thresholds:

        x = argmax_k z_k,    z_x = w_x,    z_k = w_x - softplus(w_x - w_k) for k != x,

    with w ~ q(w | row, context) jointly for all categorical columns, and the contribution
    -log q(w) + sum_{k != x} log sigmoid(w_x - w_k). By default q is logistic and autoregressive.
    The other columns pass through.

    Args:
        supports: the support of each column of x; each ``categories(K)`` becomes K columns of z
            in its place.
        context: width of the context; 0 for none.
        hidden: hidden widths of the network of q.
        proposal: a q of your own: a density on the reals with one feature for every label of
            every categorical column, given the row (categories one-hot) and the context.

    Shapes: z (*batch, D + sum of (K - 1)), x (*batch, D), context (*batch, context).

    Raises:
        ShapeError: no categorical column, a proposal of other widths; events of another shape.
        ValueError: a given density whose ``log_prob`` is a bound.
        ContextError: a missing context, or one of another width.

    Reference: "Argmax Flows and Multinomial Diffusion: Learning Categorical Distributions",
    Hoogeboom, Nielsen, Jaini, Forre, Welling, 2021, arXiv:2102.05379.

    Example:
        >>> import torch, diffeo
        >>> layer = diffeo.surjections.Argmax([diffeo.real(), diffeo.categories(3)])
        >>> layer(torch.tensor([[0.5, -1.0, 2.0, 0.0]]))
        tensor([[0.5000, 1.0000]])
        >>> layer.inverse(torch.tensor([[0.5, 1.0]]))[0].shape
        torch.Size([1, 4])
    """

    def __init__(
        self,
        supports: Sequence[Support] | Features,
        *,
        context: int = 0,
        hidden: Sequence[int] = (64, 64),
        proposal: Density | None = None,
    ) -> None:
        each = as_list("Argmax", supports)
        columns = by_column(each)
        labels = sum(s.count for s in columns if isinstance(s, Categories))
        if not labels:
            raise ShapeError(f"Argmax: none of {each} is categorical; name a categories(K)")
        width = encoded_width(columns)
        super().__init__((width,), (len(columns),))
        self.supports = columns
        self.context = context
        self.codomain = Features(each)
        latent = [[Real()] * s.count if isinstance(s, Categories) else [s] for s in each]
        self.domain = Features([s for group in latent for s in group])
        self.widths = [s.count if isinstance(s, Categories) else 1 for s in columns]
        if proposal is None:
            self.proposal: Density = logistic(labels, width + context, hidden)
        else:
            self.proposal = matching("Argmax", proposal, labels, width + context)
        self.compiles = self.proposal.compiles

    def forward(
        self,
        z: Tensor,
        context: Tensor | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        z = check_batch(self, z, context, self.in_shape, self.context)
        groups = zip(z.split(self.widths, dim=-1), self.supports, strict=True)
        columns = [_winner(g) if isinstance(s, Categories) else g[..., 0] for g, s in groups]
        return torch.stack(columns, dim=-1)

    def inverse(
        self,
        x: Tensor,
        context: Tensor | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor]:
        x = check_batch(self, x, context, self.out_shape, self.context)
        w, log_q = self.proposal._rsample_and_log_prob(Draw((), self._seen(x, context), generator))
        contribution = -log_q
        groups, start = [], 0
        for i, support in enumerate(self.supports):
            group = x[..., i : i + 1]
            if isinstance(support, Categories):
                drawn = w[..., start : start + support.count]
                start += support.count
                group, ladj = _threshold(drawn, one_hot(x[..., i], support.count))
                contribution = contribution + ladj
            groups.append(group)
        return torch.cat(groups, dim=-1), contribution

    def _seen(self, x: Tensor, context: Tensor | None) -> Tensor:
        return with_context(encode(x, self.supports), context if self.context else None)

    def initialize(self, x: Tensor, context: Tensor | None = None) -> None:
        initialize(self.proposal, self._seen(x, context))


def _winner(group: Tensor) -> Tensor:
    """The index of the largest of (*batch, K), in its dtype; NaN where any is."""
    nan = group.isnan().any(-1)
    return torch.where(nan, torch.nan, group.argmax(-1).to(group.dtype))


def _threshold(w: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor]:
    """Numbers (*batch, K) whose largest is the chosen one, and log |dz / dw| (*batch)."""
    best = (w * chosen).sum(-1, keepdim=True)
    ahead = best - w
    below = torch.nextafter(best, torch.full_like(best, -torch.inf))
    # a softplus that is lost in rounding would leave a tie
    others = torch.minimum(best - F.softplus(ahead), below)
    z = torch.where(chosen > 0, best, others)
    ladj = torch.where(chosen > 0, 0.0, F.logsigmoid(ahead))
    return z, ladj.sum(-1)
