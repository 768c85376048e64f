"""Means of figures, and how far they may be off."""

from __future__ import annotations

import math

from diffeo.arrays import Floats

__all__ = ["mean_and_error"]


def mean_and_error(values: Floats) -> tuple[float, float]:
    """Mean, and its standard error; NaN for the error of a single value."""
    if len(values) < 2:
        return float(values.mean()), math.nan
    return float(values.mean()), float(values.std(ddof=1) / math.sqrt(len(values)))
