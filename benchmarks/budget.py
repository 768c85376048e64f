"""Fits that end when their time is up."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

__all__ = ["cosine_over"]


def cosine_over(minutes: float) -> Callable[[float], float]:
    """A schedule over the time that there is, however many steps it has room for.

    It begins with the first step: what comes before, such as compiling, is not part of the fit.
    """
    start: list[float] = []

    def factor(_: float) -> float:
        now = time.monotonic()
        if not start:
            start.append(now)
        share = min(1.0, (now - start[0]) / (60 * minutes))
        return 0.5 * (1 + math.cos(math.pi * share))

    return factor
