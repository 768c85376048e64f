"""The contract of every density: bases, flows, mixtures."""

from __future__ import annotations

import math
import operator
from abc import ABC, abstractmethod
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from diffeo.arrays import ArrayLike, is_tensor_like, like_input, to_tensor
from diffeo.checks import check_batch, check_context
from diffeo.chunks import SMALL, by_chunks, checked_chunk_size, rows_at_once
from diffeo.described import Described
from diffeo.draw import Draw
from diffeo.errors import ShapeError
from diffeo.supports import Real, Support
from diffeo.transform import Exactness

__all__ = ["Density", "SampleShape", "Seed", "as_generator"]

Seed = int | torch.Generator | None
SampleShape = int | tuple[int, ...]


def as_generator(seed: Seed, device: torch.device) -> torch.Generator | None:
    """A generator on ``device`` from a seed; None stays torch's global generator."""
    if seed is None or isinstance(seed, torch.Generator):
        return seed
    return torch.Generator(device).manual_seed(seed)


def _as_shape(n: SampleShape) -> tuple[int, ...]:
    """A number of samples, or a shape, as a shape of whole numbers >= 0."""
    try:
        shape = tuple(map(operator.index, n if isinstance(n, tuple) else (n,)))
    except TypeError as error:
        raise ShapeError(f"the number of samples must be whole, or a tuple, got {n!r}") from error
    if any(size < 0 for size in shape):
        raise ShapeError(f"the number of samples must be >= 0, got {n!r}")
    return shape


class Density(Described, nn.Module, ABC):
    """A probability density that can be evaluated and sampled.

    A subclass writes ``_log_prob`` and ``_rsample`` on tensors; the public methods check shapes,
    convert arrays and pass tensors through with their gradients.

    Args:
        event_shape: shape of one event.
        context: width of the context it is conditional on; 0 ignores context.

    Attributes:
        event_shape: shape of one event.
        context: width of the context; 0 for none.
        support: where the density is not zero.
        exactness: whether ``log_prob`` is "exact", an "estimate" or a "bound".
        has_rsample: whether samples carry gradients to the parameters.
        typed_columns: whether columns have types of their own, so that values may repeat and NaN
            stands for a hole.
    """

    exactness: Exactness = "exact"
    has_rsample: bool = True
    compiles: bool = True
    typed_columns: bool = False

    def __init__(self, event_shape: tuple[int, ...], context: int = 0) -> None:
        super().__init__()
        self.event_shape = tuple(event_shape)
        self.context = context
        self.support: Support = Real()
        # carries dtype and device of densities without parameters
        self.register_buffer("_like", torch.zeros(()), persistent=False)

    @abstractmethod
    def _log_prob(self, x: Tensor, context: Tensor | None) -> Tensor:
        """log p(x | context): x (*batch, *event), context (*batch, width) -> (*batch)."""

    @abstractmethod
    def _rsample(self, draw: Draw) -> Tensor:
        """Samples (*draw.batch, *event); ``draw.chunk_size`` matters to wide layers only."""

    def _rsample_and_log_prob(self, draw: Draw) -> tuple[Tensor, Tensor]:
        """The samples of ``_rsample``, and their log-densities (*draw.batch)."""
        x = self._rsample(draw)
        return x, draw.by_chunks(self._log_prob, x, len(self.event_shape))

    def extra_repr(self) -> str:
        return f"log_prob: {self.exactness}"

    @property
    def like(self) -> Tensor:
        """A tensor of the density's dtype and device."""
        like: Tensor = self._like  # type: ignore[assignment]
        return like

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """``log_prob`` of tensors, for wrappers that call modules (export, data parallelism)."""
        log_prob: Tensor = self.log_prob(x, context)
        return log_prob

    def log_prob(
        self,
        x: ArrayLike,
        context: ArrayLike | None = None,
        *,
        chunk_size: int | None = None,
    ) -> Any:
        """log p(x | context) in nats; -inf outside the support, NaN where x is NaN.

        Args:
            x: (*batch, *event_shape), array or tensor.
            context: (*batch, context), broadcast against the batch of ``x``.
            chunk_size: rows worked on at a time. None chooses as many as need no more than
                256 MiB beside ``x`` and the result, by an estimate from the widths of the layers;
                all rows at once where gradients will need what was computed for each, or while
                ``torch.compile`` traces. The result depends on it only by rounding.

        Returns:
            (*batch): a tensor (with gradient) for tensors, a numpy array for arrays.

        Raises:
            ShapeError: events of another shape.
            ContextError: a missing context, or one of another width.
            DtypeError: tensors of another floating dtype or device than the density's.
            DataError: values that are not numbers.
            ValueError: ``chunk_size`` is not a whole number of at least 1.
        """
        size = checked_chunk_size(chunk_size)
        if not is_tensor_like(x, context):
            with torch.no_grad():
                return like_input(self._checked_log_prob(x, context, size), x, context)
        return self._checked_log_prob(x, context, size)

    def _checked_log_prob(
        self, x: ArrayLike, context: ArrayLike | None, size: int | None
    ) -> Tensor:
        point, given = self._check_pair(x, context)
        if size is None and not self._keeps_graph(point, given):
            size = self._rows_at_once(point.numel())
        log_prob: Tensor = by_chunks(self._log_prob, size, point, given, len(self.event_shape))
        return log_prob

    def _check_pair(self, x: ArrayLike, context: ArrayLike | None) -> tuple[Tensor, Tensor | None]:
        point, given = self._check_x(x), self._check_context(context)
        return check_batch(self, point, given, self.event_shape, self.context), given

    def _keeps_graph(self, x: Tensor, context: Tensor | None) -> bool:
        """Whether ``log_prob`` records what a gradient needs, for all rows together."""
        if not torch.is_grad_enabled():
            return False
        inputs = x.requires_grad or (context is not None and context.requires_grad)
        return inputs or any(p.requires_grad for p in self.parameters())

    def _rows_at_once(self, numbers: int, *, graph: bool = False) -> int | None:
        """Rows to work on at a time of a batch of so many numbers; None for all."""
        # a loop over chunks would be unrolled, for one number of rows
        if torch.compiler.is_compiling() or numbers <= SMALL:
            return None
        return rows_at_once(self, self.event_shape, self.like, graph=graph)

    def _check_x(self, x: ArrayLike) -> Tensor:
        return to_tensor(x, self.like, "x")

    def _check_context(self, context: ArrayLike | None) -> Tensor | None:
        if context is None or self.context == 0:
            check_context(self, None, self.context)
            return None
        tensor = to_tensor(context, self.like, "context")
        check_context(self, tensor, self.context)
        return tensor

    def sample(
        self,
        n: SampleShape = (),
        context: ArrayLike | None = None,
        *,
        seed: Seed = None,
        chunk_size: int | None = None,
    ) -> Any:
        """Samples without gradient.

        Args:
            n: number of samples, or a shape; () gives one sample a context.
            context: (*context_batch, context).
            seed: an int or a ``torch.Generator``; None draws from torch's global generator.
            chunk_size: rows worked on at a time; None chooses, as for ``log_prob``. The noise of a
                base is drawn in one piece, so that samples depend on it only by rounding.

        Returns:
            (n, *context_batch, *event_shape): a numpy array where ``context`` is an array, else a
            tensor.

        Raises:
            ShapeError: ``n`` is not whole, or negative.
            ContextError: a missing context, or one of another width.
            ValueError: ``chunk_size`` is not a whole number of at least 1.
        """
        with torch.no_grad():
            draw = self._chunked_draw(n, context, seed, chunk_size)
            return like_input(self._rsample(draw), context)

    def rsample(
        self, n: SampleShape = (), context: Tensor | None = None, *, seed: Seed = None
    ) -> Tensor:
        """Samples that carry gradients to the parameters and the context; shapes as ``sample``.

        Raises:
            ContextError: a missing context, or one of another width.
            TypeError: a density whose samples cannot be reparameterised.
        """
        self._require_rsample()
        return self._rsample(self._draw(n, context, seed))

    def sample_and_log_prob(
        self,
        n: SampleShape = (),
        context: ArrayLike | None = None,
        *,
        seed: Seed = None,
        chunk_size: int | None = None,
    ) -> tuple[Any, Any]:
        """Samples and their log-densities (n, *context_batch), without gradient; as ``sample``."""
        with torch.no_grad():
            draw = self._chunked_draw(n, context, seed, chunk_size)
            x, log_prob = self._rsample_and_log_prob(draw)
            return like_input(x, context), like_input(log_prob, context)

    def rsample_and_log_prob(
        self, n: SampleShape = (), context: Tensor | None = None, *, seed: Seed = None
    ) -> tuple[Tensor, Tensor]:
        """Samples and their log-densities (n, *context_batch), with gradient; as ``rsample``."""
        self._require_rsample()
        return self._rsample_and_log_prob(self._draw(n, context, seed))

    def _draw(self, n: SampleShape, context: ArrayLike | None, seed: Seed) -> Draw:
        generator = as_generator(seed, self.like.device)
        return Draw(_as_shape(n), self._check_context(context), generator)

    def _chunked_draw(
        self, n: SampleShape, context: ArrayLike | None, seed: Seed, chunk_size: int | None
    ) -> Draw:
        size = checked_chunk_size(chunk_size)
        draw = self._draw(n, context, seed)
        if size is None:
            size = self._rows_at_once(math.prod((*draw.batch, *self.event_shape)))
        return replace(draw, chunk_size=size)

    def _require_rsample(self) -> None:
        if not self.has_rsample:
            raise TypeError(
                f"{type(self).__name__}: samples cannot be reparameterised; use sample()"
            )

    def score(
        self, x: ArrayLike, context: ArrayLike | None = None, *, chunk_size: int | None = None
    ) -> Any:
        """The score, grad_x log p(x | context).

        Args:
            x: (*batch, *event_shape).
            context: (*batch, context).
            chunk_size: rows worked on at a time; None chooses, as for ``log_prob``, all at once
                only where a graph is kept.

        Returns:
            (*batch, *event_shape) with the batch that ``x`` and ``context`` share, a tensor or a
            numpy array as ``log_prob`` (a tensor's graph is kept when ``x`` requires a gradient).

        Raises:
            TypeError: ``log_prob`` is a bound, whose gradient is not the score.
            As ``log_prob``.
        """
        if self.exactness == "bound":
            raise TypeError(
                f"{type(self).__name__}: log_prob is a bound, and its gradient is not the score; "
                f"differentiate log_prob(x, num_samples=k) if an approximation will do"
            )
        size = checked_chunk_size(chunk_size)
        # one gradient for each pair of point and context, not their sum over contexts
        point, given = self._check_pair(x, context)
        keep = point.requires_grad and torch.is_grad_enabled()
        if size is None and not keep:
            size = self._rows_at_once(point.numel(), graph=True)
        score = partial(self._gradient, keep=keep)
        return like_input(by_chunks(score, size, point, given, len(self.event_shape)), x, context)

    def _gradient(self, x: Tensor, context: Tensor | None, *, keep: bool) -> Tensor:
        with torch.enable_grad():
            point = x if keep else x.detach().requires_grad_()
            log_prob = self._log_prob(point, context)
            if not log_prob.requires_grad:  # a constant density
                return torch.zeros_like(point)
            (gradient,) = torch.autograd.grad(
                log_prob.sum(), point, create_graph=keep, materialize_grads=True
            )
        return gradient
