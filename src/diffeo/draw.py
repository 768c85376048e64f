"""What a density is asked to draw."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from diffeo.chunks import by_chunks

__all__ = ["Draw"]


@dataclass(frozen=True, eq=False)
class Draw:
    """A request for samples, handed down from a density to those it is made of.

    Attributes:
        shape: of the samples at each context.
        context: (*context_batch, width), or None.
        generator: of the noise; None is torch's global one.
        chunk_size: rows that wide layers work on at a time; None for all. Noise is drawn in one
            piece, so that it does not depend on this.
    """

    shape: tuple[int, ...]
    context: Tensor | None = None
    generator: torch.Generator | None = None
    chunk_size: int | None = None

    @property
    def batch(self) -> tuple[int, ...]:
        """(*shape, *context_batch)."""
        return self.shape if self.context is None else (*self.shape, *self.context.shape[:-1])

    def given(self, context: Tensor | None) -> Draw:
        """The same request at another context."""
        return replace(self, context=context)

    def normal(self, event_shape: tuple[int, ...], like: Tensor) -> Tensor:
        """Standard normal noise (*batch, *event_shape)."""
        return self._noise(torch.randn, event_shape, like)

    def uniform(self, event_shape: tuple[int, ...], like: Tensor) -> Tensor:
        """Uniform noise (*batch, *event_shape) in [0, 1)."""
        return self._noise(torch.rand, event_shape, like)

    def _noise(
        self, draw: Callable[..., Tensor], event_shape: tuple[int, ...], like: Tensor
    ) -> Tensor:
        size = (*self.batch, *event_shape)
        return draw(size, generator=self.generator, dtype=like.dtype, device=like.device)

    def by_chunks(
        self, function: Callable[[Tensor, Tensor | None], Any], x: Tensor, event_ndim: int
    ) -> Any:
        """``function(x, context)`` at points x (*batch, *event), ``chunk_size`` rows at a time."""
        return by_chunks(function, self.chunk_size, x, self.context, event_ndim)
