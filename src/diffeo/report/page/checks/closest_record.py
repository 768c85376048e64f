"""Distance to the closest record: do samples lie nearer to the training rows than new data do?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from diffeo.errors import import_extra
from diffeo.report.page.checks.holes import with_holes_of
from diffeo.report.page.content import Array

__all__ = ["ClosestRecord", "closest_record"]

MOST_QUERIES = 2000
MOST_TRAINING = 20_000
# codes with a coordinate of their own; rarer ones all differ from these and equal each other
MOST_CODES = 32


@dataclass(frozen=True)
class ClosestRecord:
    """Distances to the nearest training row, and exact copies of training rows.

    Attributes:
        samples: (n,), distances of samples.
        held_out: (m,), distances of held-out rows: what is natural.
        sample_copies: number of samples that are a training row, of all ``sample_rows``.
        sample_rows: number of samples.
        held_out_copies: number of held-out rows that are a training row, of all ``held_out_rows``.
        held_out_rows: number of held-out rows.
        training_rows: how many of the training rows the distances are to.
    """

    samples: Array
    held_out: Array
    sample_copies: int
    sample_rows: int
    held_out_copies: int
    held_out_rows: int
    training_rows: int

    @property
    def near(self) -> float:
        """The 5 % quantile of the held-out distances."""
        return float(np.quantile(self.held_out, 0.05))

    @property
    def nearer(self) -> float:
        """The share of samples below ``near``; about 0.05 if nothing was memorised."""
        return float(np.mean(self.samples < self.near))


def closest_record(
    training: Array, samples: Array, held_out: Array, discrete: Array, *, seed: int
) -> ClosestRecord:
    """Compare how near samples and held-out rows come to the training rows.

    Distances are Euclidean; numbers count in standard deviations of the training rows, two
    different labels are one apart, and a hole is one away from the column's mean. Distances are
    those of subsamples; copies are counted among all rows. Samples without holes are given those
    of held-out rows before distances are taken.

    Args:
        training: (rows, columns), NaN for holes.
        samples: (n, columns).
        held_out: (m, columns), rows the model was not fitted to.
        discrete: (columns,), where the numbers are codes of labels.
        seed: of the subsamples.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    rng = np.random.default_rng(seed)
    some = _subsample(training, MOST_TRAINING, rng)
    scale = _scale(training)
    labels = _labels(training, samples, held_out)
    nearest = import_extra("sklearn.neighbors", "tabular").NearestNeighbors(n_neighbors=1)
    nearest.fit(_coordinates(some, discrete, scale, labels))
    near, natural = (
        nearest.kneighbors(_coordinates(_subsample(x, MOST_QUERIES, rng), discrete, scale, labels))
        for x in (with_holes_of(held_out, samples, rng), held_out)
    )
    known = set(_rows(training))
    copies, natural_copies = (sum(row in known for row in _rows(x)) for x in (samples, held_out))
    return ClosestRecord(
        near[0][:, 0],
        natural[0][:, 0],
        copies,
        len(samples),
        natural_copies,
        len(held_out),
        len(some),
    )


def _subsample(x: Array, most: int, rng: np.random.Generator) -> Array:
    return x if len(x) <= most else x[rng.permutation(len(x))[:most]]


def _scale(training: Array) -> tuple[Array, Array]:
    """Mean and standard deviation of the values seen; 0 and 1 where there is nothing to scale."""
    seen = ~np.isnan(training)
    n = np.maximum(seen.sum(axis=0), 1)
    mean = np.where(seen, training, 0).sum(axis=0) / n
    square = np.where(seen, (training - mean) ** 2, 0).sum(axis=0) / n
    return mean, np.where(square > 0, np.sqrt(square), 1.0)


def _labels(*tables: Array) -> Array:
    """How many codes of each column have a coordinate."""
    highest = [np.where(np.isnan(x), -1, x).max(axis=0, initial=-1) for x in tables]
    return np.clip(np.max(highest, axis=0), -1, MOST_CODES).astype(np.int64) + 1


def _coordinates(x: Array, discrete: Array, scale: tuple[Array, Array], labels: Array) -> Array:
    mean, deviation = scale
    parts = []
    for j in range(x.shape[1]):
        hole = np.isnan(x[:, j])
        if discrete[j]:
            # two labels, or a label and a hole, differ in two coordinates
            codes = np.where(hole, -1, np.minimum(x[:, j], MOST_CODES))
            parts.append((codes[:, None] == np.arange(-1, labels[j])) / np.sqrt(2))
        else:
            value = np.where(hole, 0, (x[:, j] - mean[j]) / deviation[j])
            parts.append(np.stack([value, hole], axis=1))
    return np.concatenate(parts, axis=1)


def _rows(x: Array) -> list[Any]:
    """Each row as bytes that are equal where the rows are."""
    # one bit pattern for NaN and one for zero
    plain = np.ascontiguousarray(np.where(np.isnan(x), np.nan, x) + 0.0)
    return [row.tobytes() for row in plain]
