"""What the pages on clouds of points are drawn from: plain arrays, whatever made them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from diffeo.errors import DataError, ShapeError

__all__ = ["Array", "PointReportContent", "ShownCloud"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class ShownCloud:
    """A cloud with its words.

    Attributes:
        points: (n, 3), or (n, 2).
        caption: below it.
        up: the upright axis.
    """

    points: Array
    caption: str = ""
    up: str = "z"

    def check(self) -> None:
        """Raise unless it can be drawn.

        Raises:
            ShapeError: points of other dimension.
            DataError: no points, or points that are not finite.
            ValueError: no such axis.
        """
        if self.points.ndim != 2 or self.points.shape[1] not in (2, 3):
            raise ShapeError(f"a cloud has the shape (n, 2) or (n, 3), got {self.points.shape}")
        if not len(self.points) or not np.isfinite(self.points).all():
            raise DataError(
                f"the cloud {self.caption!r} has no points, or some that are not finite"
            )
        if self.up not in ("x", "y", "z"):
            raise ValueError(f"up must be 'x', 'y' or 'z', got {self.up!r}")


@dataclass(frozen=True)
class PointReportContent:
    """Everything the report may show; a section whose data are absent is left out.

    Attributes:
        title: of the page.
        summary: what the model is, as pairs of label and value.
        made: how it was made, as pairs of label and value.
        history: of the training, one mapping an epoch: ``epoch``, ``train`` and ``validation``, in
            nats per point.
        scores: (n,), -log p in nats per point of the clouds that the model is judged by.
        held_out: whether these were kept from the fit; the page says it if they were not.
        strange: those of the clouds with the highest scores.
        samples: new clouds.
        pairs: clouds and, each after its own, their reconstructions.
        path: clouds between two.
        measures: pairs of label and value: how alike samples and data are.
    """

    title: str
    summary: Sequence[tuple[str, str]] = ()
    made: Sequence[tuple[str, str]] = ()
    history: Sequence[Mapping[str, Any]] = ()
    scores: Array | None = None
    held_out: bool = True
    strange: Sequence[ShownCloud] = ()
    samples: Sequence[ShownCloud] = ()
    pairs: Sequence[ShownCloud] = ()
    path: Sequence[ShownCloud] = ()
    measures: Sequence[tuple[str, str]] = ()

    def check(self) -> None:
        """Raise unless all of it can be drawn.

        Raises:
            DataError: scores that are not finite, or none; clouds as ``ShownCloud.check``.
            ShapeError: clouds of other dimension.
        """
        if self.scores is not None and not (len(self.scores) and np.isfinite(self.scores).all()):
            raise DataError("scores must be finite nats per point of one cloud or more")
        for shown in (*self.strange, *self.samples, *self.pairs, *self.path):
            shown.check()
