"""The layers next to the data, which take what every pixel has in common off the others."""

from __future__ import annotations

from diffeo.transform import Transform
from diffeo.transforms import NormalScores, Pixelwise, Standardize

__all__ = ["channel_marginals"]

# of 256 levels few have a mass of their own
_BINS = 128


def channel_marginals(shape: tuple[int, int, int]) -> list[Transform]:
    """From channels that are standard normal to those of the data, each over all pixels.

    A background of one value, or two colours, would else be for every coupling to learn. A flow
    starts near the entropy of independent pixels.
    """
    channels, *sides = shape
    return [
        Pixelwise(NormalScores(channels, _BINS), *sides),
        Pixelwise(Standardize(channels), *sides),
    ]
