"""Flow = base + transform."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from diffeo import kernels
from diffeo.chunks import by_chunks
from diffeo.density import Density
from diffeo.draw import Draw
from diffeo.errors import ShapeError
from diffeo.model import Model
from diffeo.nets import StandardizeContext
from diffeo.supports import Real
from diffeo.transform import Transform, weakest
from diffeo.transforms import Sequential, Standardize

__all__ = ["Flow"]


class Flow(Model):
    """The density of ``transform(z)`` with z drawn from ``base``:

        log p(x | c) = log p_base(z | c) + log |det dz/dx|,   z = transform.inverse(x, c).

    Args:
        base: density of z.
        transform: transform from z to x.
        embedding: module applied once to a context before base and transform see it.
        context: width of the context given to ``embedding``; by default the width that base and
            transform read.

    Attributes:
        base, transform, embedding: as given.

    Shapes: x (*batch, *transform.out_shape), context (*batch, context).

    Raises:
        ShapeError: base and transform of different event shapes or context widths.

    Reference: "Variational Inference with Normalizing Flows", Rezende, Mohamed, 2015,
    arXiv:1505.05770; "Normalizing Flows for Probabilistic Modeling and Inference", Papamakarios,
    Nalisnick, Rezende, Mohamed, Lakshminarayanan, 2019, arXiv:1912.02762.

    Example:
        >>> import torch, diffeo
        >>> from diffeo.transforms import Elementwise
        >>> from diffeo.univariates import Affine, Exp
        >>> log_normal = diffeo.Flow(
        ...     diffeo.bases.StandardNormal(1),
        ...     diffeo.Sequential(Elementwise(1, Affine()), Elementwise(1, Exp())),
        ... )
        >>> log_normal.log_prob(torch.tensor([[1.0], [-1.0]])).detach()
        tensor([-0.9189,    -inf])
    """

    def __init__(
        self,
        base: Density,
        transform: Transform,
        embedding: nn.Module | None = None,
        context: int | None = None,
    ) -> None:
        if base.event_shape != transform.in_shape:
            raise ShapeError(
                f"Flow: the base {type(base).__name__} has events of shape {base.event_shape}, "
                f"but the transform takes {transform.in_shape}"
            )
        if base.context and transform.context and base.context != transform.context:
            raise ShapeError(
                f"Flow: the base reads a context of width {base.context}, "
                f"the transform one of width {transform.context}"
            )
        inner = base.context or transform.context
        super().__init__(transform.out_shape, inner if context is None else context)
        self.base = base
        self.transform = transform
        self.embedding = embedding
        self.support = transform.codomain
        self.has_rsample = base.has_rsample
        self.compiles = base.compiles and transform.compiles
        self.exactness = weakest((base.exactness, transform.exactness))

    def _embed(self, context: Tensor | None, size: int | None = None) -> Tensor | None:
        embedding = self.embedding
        if embedding is None or context is None:
            return context
        embedded: Tensor = by_chunks(lambda c, _: embedding(c), size, context, None, 1)
        return embedded

    def _log_prob(self, x: Tensor, context: Tensor | None) -> Tensor:
        context = self._embed(context)
        # where every number is in place, nothing has to be put right
        if kernels.usable(x) and bool(self.support.contains(x).all()):
            z, ladj = self.transform.inverse(x, context)
            return self.base._log_prob(z, context) + ladj
        axes = tuple(range(-len(self.event_shape), 0))
        size = x.detach().abs()
        real = isinstance(self.support, Real)
        inside = (size < torch.inf if real else self.support.contains(x)).all(axes)
        # a point outside is replaced before any formula sees it, so its gradient is 0, not NaN
        at = inside.reshape(*inside.shape, *(1,) * len(self.event_shape))
        z, ladj = self.transform.inverse(torch.where(at, x, self.support.interior(x)), context)
        # NaN where a coordinate is
        outside = -torch.inf - size.sum(axes)
        return torch.where(inside, self.base._log_prob(z, context) + ladj, outside)

    def _rsample(self, draw: Draw) -> Tensor:
        draw = draw.given(self._embed(draw.context, draw.chunk_size))
        z = self.base._rsample(draw)
        x, _ = draw.by_chunks(self.transform, z, len(self.base.event_shape))
        return x

    def _rsample_and_log_prob(self, draw: Draw) -> tuple[Tensor, Tensor]:
        draw = draw.given(self._embed(draw.context, draw.chunk_size))
        z, log_prob = self.base._rsample_and_log_prob(draw)
        x, ladj = draw.by_chunks(self.transform, z, len(self.base.event_shape))
        return x, log_prob - ladj

    def from_base(self, z: Tensor, context: Tensor | None = None) -> Tensor:
        """The sample that belongs to given noise.

        Args:
            z: (*batch, *base.event_shape).
            context: (*batch, context).

        Returns:
            x (*batch, *event_shape).

        Raises:
            ShapeError, ContextError, DtypeError: as ``log_prob``.
        """
        x, _ = self.transform(z, self._embed(self._check_context(context)))
        return x

    def to_base(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """The noise that belongs to a sample; the inverse of ``from_base``.

        Args:
            x: (*batch, *event_shape).
            context: (*batch, context).

        Returns:
            z (*batch, *base.event_shape).

        Raises:
            ShapeError, ContextError, DtypeError: as ``log_prob``.
        """
        z, _ = self.transform.inverse(x, self._embed(self._check_context(context)))
        return z

    def initialize(
        self, x: Tensor, context: Tensor | None = None, *, standardize: bool = True
    ) -> None:
        scalers = [m for m in self.modules() if type(m) in (Standardize, StandardizeContext)]
        if not standardize:
            for scaler in scalers:
                scaler.initialized.fill_(True)  # type: ignore[operator]
        elif self._lacks_standardization(scalers):
            self.transform = Sequential(self.transform, Standardize(self.event_shape[0]).to(x))
        if context is not None and isinstance(self.embedding, StandardizeContext):
            self.embedding.initialize(context)
        self.transform.initialize(x, self._embed(context))

    def _lacks_standardization(self, scalers: list[nn.Module]) -> bool:
        present = any(isinstance(m, Standardize) for m in scalers)
        return not present and isinstance(self.support, Real) and len(self.event_shape) == 1
