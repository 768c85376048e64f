"""Small pieces of music for tests."""

from __future__ import annotations

import numpy as np

from diffeo.sequences.music import MusicData


def duet() -> MusicData:
    """Two pieces of two voices on sixteenths, with held notes, a rest and one at the end."""
    first = np.array([[72, 48]] * 4 + [[74, 48]] * 2 + [[-1, 50]] * 3 + [[-1, -1]])
    second = np.array([[60, 60], [60, 59], [62, 59]])
    return MusicData((first, second), "voices", step=0.25, source="duet")


def rolls(pieces: int = 20, steps: int = 6) -> MusicData:
    """Random rolls, each of another length, of quarter notes."""
    rng = np.random.default_rng(0)
    each = [rng.random((steps + i % 3, 88)) < 0.04 for i in range(pieces)]
    return MusicData(tuple(piece.astype(np.uint8) for piece in each), source="rolls")
