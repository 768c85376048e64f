"""Normal bases: standard, diagonal, full-covariance."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from diffeo.bases.cholesky import Matrix, packed_cholesky, unpacked, whitened
from diffeo.checks import check_features
from diffeo.density import Density
from diffeo.draw import Draw
from diffeo.errors import ShapeError
from diffeo.nets import MLP
from diffeo.univariates.bounded import soft_bound

__all__ = ["DiagonalNormal", "MultivariateNormal", "StandardNormal"]

LOG_2PI = math.log(2 * math.pi)


def event(shape: int | tuple[int, ...], part: str) -> tuple[int, ...]:
    """An event shape from a number of features or a shape."""
    # a file knows lists only
    if isinstance(shape, tuple | list):
        return tuple(shape)
    check_features(part, shape)
    return (shape,)


def _log_normal(z: Tensor, event_ndim: int) -> Tensor:
    squares = (z * z).flatten(z.ndim - event_ndim)
    return -0.5 * (squares.sum(-1) + squares.shape[-1] * LOG_2PI)


class StandardNormal(Density):
    """Independent normals with mean 0 and variance 1. Ignores context.

    Args:
        shape: number of features, or event shape.

    Shapes: events (*batch, *shape).

    Raises:
        ShapeError: a number of features below 1.

    Example:
        >>> import torch, diffeo
        >>> diffeo.bases.StandardNormal(2).log_prob(torch.zeros(2))
        tensor(-1.8379)
    """

    def __init__(self, shape: int | tuple[int, ...]) -> None:
        super().__init__(event(shape, "StandardNormal"))

    def _log_prob(self, x: Tensor, context: Tensor | None) -> Tensor:
        return _log_normal(x, len(self.event_shape))

    def _rsample(self, draw: Draw) -> Tensor:
        return draw.normal(self.event_shape, self.like)


class DiagonalNormal(Density):
    """Independent normals whose means and scales are fixed, learned, or predicted from context.

    Args:
        features: number of features D.
        loc: mean, a number or D numbers (where a context is given: of the start).
        scale: standard deviation, a number or D numbers, positive.
        learned: learn both.
        context: width of the context from which both are predicted; 0 for none.
        hidden: hidden widths of the network that predicts them.

    Shapes: events (*batch, D), context (*batch, context).

    Raises:
        ShapeError: ``loc`` or ``scale`` of another length.
        ValueError: a scale that is not positive.

    Example:
        >>> import torch, diffeo
        >>> diffeo.bases.DiagonalNormal(1, scale=2.0).log_prob(torch.zeros(1))
        tensor(-1.6121)
    """

    loc: Tensor
    log_scale: Tensor

    def __init__(
        self,
        features: int,
        loc: float | Sequence[float] | Tensor = 0.0,
        scale: float | Sequence[float] | Tensor = 1.0,
        *,
        learned: bool = False,
        context: int = 0,
        hidden: Sequence[int] = (128, 128),
    ) -> None:
        check_features("DiagonalNormal", features)
        super().__init__((features,), context)
        start, width = per_feature("loc", loc, features), per_feature("scale", scale, features)
        if not bool((width > 0).all()):
            raise ValueError(f"DiagonalNormal: scale must be positive, got {width.tolist()}")
        if learned:
            self.loc = nn.Parameter(start)
            self.log_scale = nn.Parameter(width.log())
        else:
            self.register_buffer("loc", start)
            self.register_buffer("log_scale", width.log())
        self.conditioner = MLP(0, 2 * features, hidden, context) if context else None

    def _moments(self, context: Tensor | None) -> tuple[Tensor, Tensor]:
        if self.conditioner is None or context is None:
            return self.loc, self.log_scale
        out = self.conditioner(context[..., :0], context).to(self.loc.dtype)
        loc, log_scale = out.chunk(2, dim=-1)
        return self.loc + loc * self.log_scale.exp(), self.log_scale + soft_bound(log_scale)

    def _log_prob(self, x: Tensor, context: Tensor | None) -> Tensor:
        loc, log_scale = self._moments(context)
        z = (x - loc) * torch.exp(-log_scale)
        return _log_normal(z, 1) - log_scale.expand_as(z).sum(-1)

    def _rsample(self, draw: Draw) -> Tensor:
        loc, log_scale = self._moments(draw.context)
        return loc + log_scale.exp() * draw.normal(self.event_shape, self.like)


class MultivariateNormal(Density):
    """Normal with a full covariance matrix. Ignores context.

    Args:
        features: number of features D.
        loc: D means; by default 0.
        covariance: (D, D) positive definite; by default the identity.
        learned: learn the mean and the Cholesky factor of the covariance.

    Shapes: events (*batch, D).

    Raises:
        ShapeError: ``loc`` or ``covariance`` of another shape.
        ValueError: a covariance that is not positive definite.

    Example:
        >>> import torch, diffeo
        >>> diffeo.bases.MultivariateNormal(2, covariance=4 * torch.eye(2)).log_prob(torch.zeros(2))
        tensor(-3.2242)
    """

    loc: Tensor
    factor: Tensor

    def __init__(
        self,
        features: int,
        loc: float | Sequence[float] | Tensor = 0.0,
        covariance: Matrix = None,
        *,
        learned: bool = False,
    ) -> None:
        check_features("MultivariateNormal", features)
        super().__init__((features,))
        start = per_feature("loc", loc, features)
        packed = packed_cholesky("covariance", covariance, features, start.dtype)
        if learned:
            self.loc = nn.Parameter(start)
            self.factor = nn.Parameter(packed)
        else:
            self.register_buffer("loc", start)
            self.register_buffer("factor", packed)

    def _log_prob(self, x: Tensor, context: Tensor | None) -> Tensor:
        factor, log_det = unpacked(self.factor)
        z, infinite = whitened(x, self.loc, factor)
        return (_log_normal(z, 1) - log_det).masked_fill(infinite, -torch.inf)

    def _rsample(self, draw: Draw) -> Tensor:
        factor, _ = unpacked(self.factor)
        return self.loc + draw.normal(self.event_shape, self.like) @ factor.t()


def per_feature(name: str, value: float | Sequence[float] | Tensor, features: int) -> Tensor:
    """A number or ``features`` numbers as a tensor of that length, in the default dtype."""
    tensor = torch.as_tensor(value, dtype=torch.get_default_dtype()).detach()
    if tensor.shape not in ((), (1,), (features,)):
        raise ShapeError(
            f"{name} must be one number or {features}, got shape {tuple(tensor.shape)}"
        )
    return tensor.expand(features).clone()
