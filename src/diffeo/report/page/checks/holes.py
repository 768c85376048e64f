"""Holes of the data in samples that have none."""

from __future__ import annotations

import numpy as np

from diffeo.report.page.content import Array

__all__ = ["with_holes_of"]


def with_holes_of(data: Array, samples: Array, rng: np.random.Generator) -> Array:
    """``samples`` with holes where random rows of ``data`` have them.

    A model that leaves holes out of its density draws complete rows, which holes alone would tell
    from the data. Samples that have holes of their own stay as they are. Where holes depend on the
    values the copy is not exact, since it puts them anywhere.

    Args:
        data: (rows, columns), NaN for holes.
        samples: (other rows, columns).
        rng: chooses the rows of ``data``.

    Returns:
        (other rows, columns).
    """
    if np.isnan(samples).any() or not np.isnan(data).any():
        return samples
    rows = rng.integers(0, len(data), len(samples))
    return np.where(np.isnan(data[rows]), np.nan, samples)
