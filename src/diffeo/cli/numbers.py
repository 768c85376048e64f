"""Means with their standard errors over a stream, and likelihoods in words."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

__all__ = ["RunningMean", "bits_per_dimension", "nats"]


class RunningMean:
    """Mean and standard error of values that come in chunks.

    Chunks are merged by the pairwise update of Chan, Golub and LeVeque, "Algorithms for computing
    the sample variance", 1983, which loses no digits to a large mean.
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean = 0.0
        self._squares = 0.0

    def add(self, values: np.ndarray[Any, Any]) -> None:
        """Take in a chunk of at least one value."""
        values = values.astype(np.float64)
        total = self.count + len(values)
        step = float(values.mean()) - self.mean
        self._squares += float(values.var()) * len(values)
        self._squares += step**2 * self.count * len(values) / total
        self.mean += step * len(values) / total
        self.count = total

    @property
    def standard_error(self) -> float:
        """Of the mean; NaN for a single value."""
        if self.count < 2:
            return math.nan
        return math.sqrt(self._squares / (self.count - 1) / self.count)


def bits_per_dimension(log_likelihood: float, features: int) -> float:
    """Minus a log-likelihood in nats an event, in bits a feature."""
    return -log_likelihood / (features * math.log(2))


def nats(mean: RunningMean) -> str:
    """A mean log-likelihood with its standard error."""
    return f"{mean.mean:.4f} ± {mean.standard_error:.4f} nats"
