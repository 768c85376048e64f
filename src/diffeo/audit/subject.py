"""A transform under audit: its copies in two precisions, and points to try them at."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from diffeo.audit.copies import precisions
from diffeo.audit.estimates import Seeded, is_noisy
from diffeo.audit.points import inner_points
from diffeo.audit.shapes import Map
from diffeo.supports import Support
from diffeo.transform import Transform

__all__ = ["Subject"]


class Subject:
    """What the checks of a transform look at; torch's global generator decides the points.

    Args:
        transform: the transform, which stays as it is.
        batch: points where a check does not say how many.

    Attributes:
        single, exact: copies in float32 and float64.
        width: of the context.
        noisy: whether the ladj is random; it is then drawn with the same noise in every call.
    """

    def __init__(self, transform: Transform, batch: int) -> None:
        copies: tuple[Any, Any] = precisions(transform)
        self.single, self.exact = copies
        self.batch = batch
        self.width = transform.context
        self.noisy = transform.exactness == "estimate" and self._draws_noise()
        if self.noisy:
            self.single, self.exact = Seeded(self.single), Seeded(self.exact)

    def _draws_noise(self) -> bool:
        x, context = self.inputs(), self.context((self.batch,))
        return is_noisy(lambda: self.exact(x, context)[1])

    def _points(
        self, support: Support, event: tuple[int, ...], batch: tuple[int, ...], like: torch.dtype
    ) -> Tensor:
        return inner_points(support, torch.randn(*batch, *event, dtype=like))

    def context(self, batch: tuple[int, ...], like: torch.dtype = torch.float64) -> Tensor | None:
        return torch.randn(*batch, self.width, dtype=like) if self.width else None

    def inputs(self, *batch: int, like: torch.dtype = torch.float64) -> Tensor:
        shape = batch or (self.batch,)
        return self._points(self.exact.domain, self.exact.in_shape, shape, like)

    def outputs(self, *batch: int, like: torch.dtype = torch.float64) -> Tensor:
        shape = batch or (self.batch,)
        return self._points(self.exact.codomain, self.exact.out_shape, shape, like)

    def directions(
        self, transform: Transform, *batch: int, like: torch.dtype = torch.float64
    ) -> Iterator[tuple[str, Map, Tensor, tuple[int, ...]]]:
        """Name, map, points and the event shape of what comes out, of both directions."""
        yield "forward", transform, self.inputs(*batch, like=like), transform.out_shape
        yield "inverse", transform.inverse, self.outputs(*batch, like=like), transform.in_shape
