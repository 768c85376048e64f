"""Sylvester layers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from diffeo.checks import check_batch, check_features
from diffeo.errors import ShapeError
from diffeo.roots import invert_increasing
from diffeo.transforms.amortised import Amortised
from diffeo.transforms.linear import full_precision
from diffeo.transforms.orthogonal import reflect
from diffeo.transforms.planar import largest_log_slope, tanh_residual, tanh_residual_log_slope
from diffeo.univariates.bounded import soft_bound

__all__ = ["Kind", "Sylvester"]

Kind = Literal["orthogonal", "householder", "triangular"]


class _Parts(NamedTuple):
    """R, R~ (*batch, M, M); b, log(1 + r_ii r~_ii) (*batch, M); reflections (*batch, n, D)."""

    outer: Tensor
    inner: Tensor
    shift: Tensor
    log_top: Tensor
    vectors: Tensor

    def residual(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """R tanh(R~ z + b) for z (*batch, M), and the ladj of z plus it."""
        at = _times(self.inner, z) + self.shift
        return _times(self.outer, at.tanh()), tanh_residual_log_slope(self.log_top, at).sum(-1)


class Sylvester(Amortised):
    """y = x + Q R tanh(R~ Q^T x + b), M planar layers at once, along orthonormal columns of Q:

        ladj = sum_i log(1 + r_ii r~_ii (1 - tanh(a_i)^2)),   a = R~ Q^T x + b.

    R and R~ are upper triangular; the layer is invertible where r_ii r~_ii > -1. r~_ii > 0 (its
    sign would be redundant) and 1 + r_ii r~_ii are smoothly bounded by 1/1000 and 1000. The
    inverse solves Q^T y = z + R tanh(R~ z + b) for z = Q^T x from the last component to the first,
    each by bracketing. Starts at the identity (the diagonal and upper part of R are 0), with
    random Q, R~ and b.

    The determinant identity needs Q exactly orthonormal, so all kinds are made of reflections,
    orthonormal to rounding, in place of the paper's iteration:

    - "orthogonal": the first M columns of a product of M reflections, which reaches every set of
      M orthonormal columns, up to signs that R, R~ and b absorb;
    - "householder": a product of any number of reflections, M = D;
    - "triangular": Q = I, M = D. Put ``Reverse`` between such layers (as ``SylvesterFlow`` does):
      that is the paper's Q alternating between identity and reversal.

    Args:
        features: number of features D.
        kind: what Q is.
        rank: number M of columns, for the kind "orthogonal"; by default D.
        reflections: their number, for the kind "householder"; by default D.
        context: width of the context; 0 for parameters that do not depend on one.
        hidden: hidden widths of the network that predicts all of them from context.

    Shapes: x (*batch, D), context (*batch, context).

    Raises:
        ShapeError: fewer than one feature, a rank outside 1..D, fewer than one reflection, or
            events of another shape.
        ValueError: an unknown kind, or a rank or reflections that it does not have.
        ContextError: a missing context, or one of another width.

    Reference: "Sylvester Normalizing Flows for Variational Inference", van den Berg, Hasenclever,
    Tomczak, Welling, 2018, arXiv:1803.05649.

    Example:
        >>> import torch, diffeo
        >>> layer = diffeo.transforms.Sylvester(4, rank=2)
        >>> y, ladj = layer(torch.zeros(5, 4))
    """

    def __init__(
        self,
        features: int,
        kind: Kind = "orthogonal",
        *,
        rank: int | None = None,
        reflections: int | None = None,
        context: int = 0,
        hidden: Sequence[int] = (128, 128),
    ) -> None:
        check_features("Sylvester", features)
        super().__init__((features,))
        self.kind = kind
        self.rank, self.reflections = _sizes(features, kind, rank, reflections)
        self._learn(self._initial(), context, hidden)

    def _initial(self) -> Tensor:
        rank = self.rank
        # above the diagonal is R's, below it R~ transposed
        triangles = (torch.randn(rank, rank) / math.sqrt(rank)).tril(-1)
        vectors = torch.randn(self.reflections * self.in_shape[0])
        return torch.cat([triangles.flatten(), torch.zeros(2 * rank), torch.randn(rank), vectors])

    def _parts(self, x: Tensor, context: Tensor | None) -> _Parts:
        rank, features = self.rank, self.in_shape[0]
        sizes = [rank * rank, rank, rank, rank, self.reflections * features]
        flat, top, rate, shift, vectors = self._params(x, context).split(sizes, dim=-1)
        triangles = flat.unflatten(-1, (rank, rank))
        log_top = largest_log_slope(top)
        slopes = soft_bound(rate).exp()
        return _Parts(
            triangles.triu(1) + torch.diag_embed(log_top.expm1() / slopes),
            triangles.tril(-1).mT + torch.diag_embed(slopes),
            shift,
            log_top,
            vectors.unflatten(-1, (self.reflections, features)),
        )

    def _down(self, x: Tensor, parts: _Parts) -> Tensor:
        """Q^T x (*batch, M)."""
        if self.kind == "triangular":
            return x
        return reflect(x, parts.vectors, reverse=True)[..., : self.rank]

    def _up(self, z: Tensor, parts: _Parts) -> Tensor:
        """Q z (*batch, D)."""
        if self.kind == "triangular":
            return z
        return reflect(F.pad(z, (0, self.in_shape[0] - self.rank)), parts.vectors)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        x = check_batch(self, x, context, self.in_shape, self.context)
        with full_precision(x):
            parts = self._parts(x, context)
            residual, ladj = parts.residual(self._down(x, parts))
            return x + self._up(residual, parts), ladj

    def inverse(self, y: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        y = check_batch(self, y, context, self.in_shape, self.context)
        with full_precision(y):
            parts = self._parts(y, context)
            residual, ladj = parts.residual(_substitute(self._down(y, parts), parts))
            return y - self._up(residual, parts), -ladj


def _times(matrix: Tensor, z: Tensor) -> Tensor:
    return (matrix @ z.unsqueeze(-1)).squeeze(-1)


def _substitute(total: Tensor, parts: _Parts) -> Tensor:
    """The z with z + R tanh(R~ z + b) = total, from the last component to the first."""
    rank = total.shape[-1]
    z, bends = [total[..., 0]] * rank, [total[..., 0]] * rank
    for i in reversed(range(rank)):
        later = range(i + 1, rank)
        shift, rest = parts.shift[..., i], total[..., i]
        for j in later:
            shift = shift + parts.inner[..., i, j] * z[j]
            rest = rest - parts.outer[..., i, j] * bends[j]
        scale, rate = parts.outer[..., i, i], parts.inner[..., i, i]
        z[i] = _component(rest, scale, rate, shift, parts.log_top[..., i])
        bends[i] = torch.tanh(rate * z[i] + shift)
    return torch.stack(z, dim=-1)


def _component(
    total: Tensor, scale: Tensor, rate: Tensor, shift: Tensor, log_top: Tensor
) -> Tensor:
    reach = scale.abs()
    z, _ = invert_increasing(
        lambda z: tanh_residual(z, scale, rate, shift, log_top),
        total,
        total - reach,
        total + reach,
        "Sylvester",
    )
    return z


def _sizes(features: int, kind: str, rank: int | None, reflections: int | None) -> tuple[int, int]:
    """Rank and number of reflections."""
    if kind not in get_args(Kind):
        raise ValueError(f"Sylvester: kind must be one of {get_args(Kind)}, got {kind!r}")
    if rank is not None and kind != "orthogonal":
        raise ValueError(f"Sylvester: only the kind 'orthogonal' has a rank, not {kind!r}")
    if reflections is not None and kind != "householder":
        raise ValueError(
            f"Sylvester: only the kind 'householder' has a choice of reflections, not {kind!r}"
        )
    chosen = features if rank is None else rank
    if not 1 <= chosen <= features:
        raise ShapeError(f"Sylvester: rank must lie between 1 and {features}, got {chosen}")
    if kind == "triangular":
        return chosen, 0
    count = chosen if reflections is None else reflections
    if count < 1:
        raise ShapeError(f"Sylvester: reflections must be at least 1, got {count}")
    return chosen, count
