"""What the page on a model of images is drawn from: plain arrays, whatever made them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from diffeo.errors import DataError, ShapeError

__all__ = ["Array", "ImageReportContent", "Neighbours", "RoundTrip", "Shown", "Tightened"]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Shown:
    """A picture with its words.

    Attributes:
        picture: (H, W, C) of bytes, C = 1, 3 or 4.
        alt: what is seen, for those who do not see it.
        caption: below the picture.
    """

    picture: Array
    alt: str
    caption: str = ""


@dataclass(frozen=True)
class Tightened:
    """Bits per dimension (n,) of the same images with one draw, and with ``draws``."""

    draws: int
    before: Array
    after: Array


@dataclass(frozen=True)
class Neighbours:
    """Samples, each with the training image nearest to it.

    Attributes:
        shown: some of the pairs.
        samples: (n,), Euclidean distances of samples to their nearest training image.
        held_out: (m,), those of held-out images: what is natural; None where there are none.
        training: number of training images.
    """

    shown: Shown
    samples: Array
    held_out: Array | None
    training: int


@dataclass(frozen=True)
class RoundTrip:
    """Images to noise and back.

    Attributes:
        errors: (n,), the largest error of a pixel of each image, in shares of the range of levels.
        changed: share of all pixels that came back as another level.
        precision: the dtype, in words.
    """

    errors: Array
    changed: float
    precision: str


@dataclass(frozen=True)
class ImageReportContent:
    """Everything the page may show; a section whose data are absent is left out.

    Attributes:
        title: of the page.
        summary: what the model is, as pairs of label and value.
        made: how it was made, as pairs of label and value.
        warnings: in words; they come first on the page.
        history: of the training, one mapping an epoch: ``epoch``, ``train`` and ``validation``, in
            bits per dimension.
        scores: (n,), bits per dimension of the images that the model is judged by.
        held_out: whether these were kept from the fit; the page says it if they were not.
        tightened: the same with more draws.
        samples: grids of samples.
        neighbours: samples beside training images.
        paths: from one real image to another.
        directions: what the mean difference of two classes does to images.
        round_trip: images to noise and back.
        sets: bits per dimension by the name of a set of images, the data's first.
    """

    title: str
    summary: Sequence[tuple[str, str]] = ()
    made: Sequence[tuple[str, str]] = ()
    warnings: Sequence[str] = ()
    history: Sequence[Mapping[str, Any]] = ()
    scores: Array | None = None
    held_out: bool = True
    tightened: Tightened | None = None
    samples: Sequence[Shown] = ()
    neighbours: Neighbours | None = None
    paths: Sequence[Shown] = ()
    directions: Sequence[Shown] = ()
    round_trip: RoundTrip | None = None
    sets: Mapping[str, Array] = field(default_factory=dict)

    def check(self) -> None:
        """Raise unless the arrays can be drawn.

        Raises:
            DataError: scores that are not finite, or none.
            ShapeError: a picture that is none.
        """
        scored = {"scores": self.scores, **self.sets}
        for name, values in scored.items():
            if values is not None and not (len(values) and np.isfinite(values).all()):
                raise DataError(f"{name!r} must be finite bits per dimension of one image or more")
        pairs = [] if self.neighbours is None else [self.neighbours.shown]
        for shown in (*self.samples, *self.paths, *self.directions, *pairs):
            picture = shown.picture
            if picture.ndim != 3 or picture.shape[2] not in (1, 3, 4) or picture.dtype != np.uint8:
                raise ShapeError(
                    f"a picture has the shape (H, W, C) with C = 1, 3 or 4 and the dtype uint8, "
                    f"got {picture.shape} and {picture.dtype}"
                )
