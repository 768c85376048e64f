"""Block neural autoregressive layers: the network itself is the monotone map."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from diffeo.checks import check_batch, check_features
from diffeo.errors import ShapeError
from diffeo.roots import invert_increasing
from diffeo.transform import Transform
from diffeo.transforms.linear import full_precision
from diffeo.univariates.bounded import LOG_SCALE_BOUND, soft_bound

__all__ = ["BlockAutoregressive"]


class BlockAutoregressive(Transform):
    """y = (1 - a) x + a f(x): a gate a in (0, 1), and a network f that is autoregressive itself.

    Every feature has units of its own in each layer of f, and a layer's matrix is lower triangular
    in blocks: units of feature i read earlier features freely, their own through positive weights
    alone. With tanh between the layers each f_i increases in x_i, and

        ladj = sum_i log(1 - a + a (W_L diag(tanh') ... diag(tanh') W_1)_ii),

    a product of the diagonal blocks. All of its terms are positive and the gate keeps the sum above
    1/1000, so it needs no logarithms in between to be exact to rounding. Rows of the matrices have
    norms exp(s) (weight normalisation), |s| < log(1000) / L. The context is added to the inputs of
    every layer's units. Far out, where tanh is flat, slopes are 1 - a. Starts at random.

    ``forward`` is one network pass; the inverse finds the features one after another, each by
    bracketing: f_i lies within the sum of its last weights, so x_i lies between
    (y_i - a max f_i) / (1 - a) and (y_i - a min f_i) / (1 - a).

    Args:
        features: number of features D.
        hidden: units a feature of each hidden layer, at least one layer.
        context: width of the context; 0 for none.

    Shapes: x (*batch, D), context (*batch, context).

    Raises:
        ShapeError: fewer than one feature, hidden layer or unit, or events of another shape.
        ContextError: a missing context, or one of another width.

    Reference: "Block Neural Autoregressive Flow", De Cao, Titov, Aziz, 2019, arXiv:1904.04676.

    Example:
        >>> import torch, diffeo
        >>> layer = diffeo.transforms.BlockAutoregressive(3, hidden=(8,))
        >>> y, ladj = layer(torch.zeros(5, 3))
    """

    def __init__(
        self, features: int, *, hidden: Sequence[int] = (16, 16), context: int = 0
    ) -> None:
        check_features("BlockAutoregressive", features)
        if not hidden or min(hidden) < 1:
            raise ShapeError(
                f"BlockAutoregressive: hidden must name at least one layer's units a feature, "
                f"each at least 1, got {tuple(hidden)}"
            )
        super().__init__((features,))
        self.context = context
        bound = LOG_SCALE_BOUND / (len(hidden) + 1)
        self.layers = nn.ModuleList(
            _BlockLinear(features, before, after, context, bound)
            for before, after in itertools.pairwise([1, *hidden, 1])
        )
        self.gate = nn.Parameter(torch.zeros(()))

    def _shares(self) -> tuple[Tensor, Tensor]:
        """1 - a and a, both above 1/1000."""
        logit = soft_bound(self.gate)
        return torch.sigmoid(-logit), torch.sigmoid(logit)

    def _applied(self, context: Tensor | None) -> list[_Applied]:
        layers: list[_BlockLinear] = list(self.layers)  # type: ignore[arg-type]
        return [layer.apply_to(context if self.context else None) for layer in layers]

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        x = check_batch(self, x, context, self.in_shape, self.context)
        with full_precision(x):
            *inner, last = self._applied(context)
            h, slope = x, x.new_ones(*x.shape, 1)
            for layer in inner:
                at = F.linear(h, layer.weight) + layer.shift
                slope = _bell(at).unflatten(-1, (self.in_shape[0], -1)) * layer.slope(slope)
                h = at.tanh()
            f = F.linear(h, last.weight) + last.shift
            kept, share = self._shares()
            slope = kept + share * last.slope(slope).squeeze(-1)
            return kept * x + share * f, slope.log().sum(-1)

    def inverse(self, y: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        y = check_batch(self, y, context, self.in_shape, self.context)
        with full_precision(y):
            layers = self._applied(context)
            shares = self._shares()
            # what each layer reads of the features that are known already
            known = [y[..., :0] for _ in layers]
            columns, ladj = [], torch.zeros_like(y[..., 0])
            for i in range(self.in_shape[0]):
                column = _Column(layers, known, i, shares)
                x, log_slope = column.solve(y[..., i])
                known = [
                    torch.cat(pair, dim=-1) for pair in zip(known, column.reads(x), strict=True)
                ]
                columns.append(x)
                ladj = ladj + log_slope
            return torch.stack(columns, dim=-1), ladj


class _Applied:
    """A layer's masked, normalised matrix, and its bias with the context's part."""

    def __init__(self, weight: Tensor, shift: Tensor, features: int) -> None:
        self.weight = weight
        self.shift = shift
        # (after, before, D) to (D, after, before)
        blocks = weight.unflatten(0, (features, -1)).unflatten(-1, (features, -1))
        self.blocks = blocks.diagonal(dim1=0, dim2=2).movedim(-1, 0)

    def slope(self, before: Tensor) -> Tensor:
        """Slopes (*batch, D, after) of the layer's units from those of the units that they read."""
        return (self.blocks @ before.unsqueeze(-1)).squeeze(-1)


class _BlockLinear(nn.Module):
    """A linear layer whose matrix is lower triangular in blocks, positive in the diagonal ones."""

    own: Tensor
    earlier: Tensor

    def __init__(
        self, features: int, before: int, after: int, context: int, log_bound: float
    ) -> None:
        super().__init__()
        self.features = features
        self.log_bound = log_bound
        # numbers a row, by which chunks of rows are chosen
        self.row_width = features * before * after
        eye = torch.eye(features, dtype=torch.bool)
        lower = torch.ones(features, features, dtype=torch.bool).tril(-1)
        for name, mask in (("own", eye), ("earlier", lower)):
            wide = mask.repeat_interleave(after, 0).repeat_interleave(before, 1)
            self.register_buffer(name, wide, persistent=False)
        rows, columns = features * after, features * before
        self.weight = nn.Parameter(torch.randn(rows, columns) / math.sqrt(columns))
        self.log_norm = nn.Parameter(torch.zeros(rows))
        # units of one feature must bend at different places
        self.bias = nn.Parameter(torch.empty(rows).uniform_(-2, 2))
        self.context_weight = (
            nn.Parameter(torch.randn(rows, context) / math.sqrt(context)) if context else None
        )

    def apply_to(self, context: Tensor | None) -> _Applied:
        weight = self.earlier * self.weight + self.own * soft_bound(self.weight).exp()
        norm = weight.square().sum(-1, keepdim=True).sqrt()
        weight = soft_bound(self.log_norm, self.log_bound).exp()[:, None] * weight / norm
        if self.context_weight is None or context is None:
            return _Applied(weight, self.bias, self.features)
        shift = self.bias + F.linear(context.to(weight.dtype), self.context_weight)
        return _Applied(weight, shift, self.features)


class _Column:
    """One feature as a function of its x alone, the features before it known."""

    def __init__(
        self,
        layers: list[_Applied],
        known: list[Tensor],
        index: int,
        shares: tuple[Tensor, Tensor],
    ) -> None:
        self.kept, self.share = shares
        self.blocks = [layer.blocks[index] for layer in layers]
        self.shifts = []
        for layer, before in zip(layers, known, strict=True):
            units = layer.blocks.shape[1]
            rows = slice(index * units, (index + 1) * units)
            weight = layer.weight[rows, : before.shape[-1]]
            self.shifts.append(F.linear(before, weight) + layer.shift[..., rows])

    def reads(self, x: Tensor) -> list[Tensor]:
        """What each layer reads of this feature: x, then the hidden units (*batch, units)."""
        read = [x.unsqueeze(-1)]
        for block, shift in zip(self.blocks[:-1], self.shifts[:-1], strict=True):
            read.append(torch.tanh(F.linear(read[-1], block) + shift))
        return read

    def __call__(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """y and log dy/dx, both (*batch)."""
        h = x.unsqueeze(-1)
        slope = torch.ones_like(h)
        for block, shift in zip(self.blocks[:-1], self.shifts[:-1], strict=True):
            at = F.linear(h, block) + shift
            h, slope = at.tanh(), _bell(at) * F.linear(slope, block)
        f = F.linear(h, self.blocks[-1]) + self.shifts[-1]
        slope = self.kept + self.share * F.linear(slope, self.blocks[-1])
        return self.kept * x + self.share * f.squeeze(-1), slope.log().squeeze(-1)

    def solve(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """The x of y, and log dx/dy."""
        middle = self.shifts[-1].squeeze(-1)
        reach = self.blocks[-1].sum()
        low, high = ((y - self.share * (middle + side * reach)) / self.kept for side in (1, -1))
        return invert_increasing(self, y, low, high, "BlockAutoregressive")


def _bell(at: Tensor) -> Tensor:
    """The derivative of tanh, without the cancellation of 1 - tanh^2."""
    e = torch.exp(-2 * at.abs())
    return 4 * e / (1 + e).square()
