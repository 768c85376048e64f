"""Fits that end when their time is up."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

__all__ = ["cosine_over"]


def cosine_over(minutes: float) -> Callable[[float], float]:
    """A schedule over the time that there is, however many steps it has room for."""
    start = time.monotonic()

    def factor(_: float) -> float:
        share = min(1.0, (time.monotonic() - start) / (60 * minutes))
        return 0.5 * (1 + math.cos(math.pi * share))

    return factor
