"""The rows of a table that lie closest together: those on which a robust fit is trained."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from diffeo.arrays import Floats

__all__ = ["concentrated"]


STEPS = 15
# where the first steps stop counting how far a value is from the median, in standard deviations
FAR = 5.0


def concentrated(x: Floats, share: float) -> npt.NDArray[np.bool_]:
    """Which rows a normal distribution holds together best, (rows,).

    Concentration steps of the minimum covariance determinant: fit mean and covariance to the rows
    kept, keep the share of rows nearest to them, and again, until nothing changes. The start are
    the rows nearest to the medians. Covariances are shrunk: tables may have more columns than rows.

    Args:
        x: (rows, columns), finite.
        share: of the rows to keep, in (0, 1].

    Reference: "A Fast Algorithm for the Minimum Covariance Determinant Estimator", Rousseeuw, Van
    Driessen, 1999, Technometrics 41; "A well-conditioned estimator for large-dimensional covariance
    matrices", Ledoit, Wolf, 2004, Journal of Multivariate Analysis 88.
    """
    keep = max(1, round(share * len(x)))
    if keep == len(x):
        return np.ones(len(x), dtype=bool)
    kept = _nearest(_from_medians(x), keep)
    for _ in range(STEPS):
        now = _nearest(_mahalanobis(x, x[kept]), keep)
        if np.array_equal(now, kept):
            break
        kept = now
    return kept


def _nearest(distance: Floats, keep: int) -> npt.NDArray[np.bool_]:
    kept = np.zeros(len(distance), dtype=bool)
    kept[np.argsort(distance, kind="stable")[:keep]] = True
    return kept


def _from_medians(x: Floats) -> Floats:
    scale = x.std(axis=0)
    z = (x - np.median(x, axis=0)) / np.where(scale > 0, scale, 1.0)
    total: Floats = np.minimum(z * z, FAR * FAR).sum(axis=1)
    return total


def _mahalanobis(x: Floats, kept: Floats) -> Floats:
    """Squared distances from the mean of ``kept`` in its shrunk covariance."""
    mean = kept.mean(axis=0)
    values, vectors = np.linalg.eigh(_shrunk_covariance(kept - mean))
    whitened = (x - mean) @ (vectors / np.sqrt(np.maximum(values, np.finfo(np.float64).tiny)))
    distance: Floats = (whitened * whitened).sum(axis=1)
    return distance


def _shrunk_covariance(centred: Floats) -> Floats:
    """Covariance pulled towards a multiple of the identity, as far as its noise asks for."""
    rows, columns = centred.shape
    covariance: Floats = centred.T @ centred / rows
    level = np.trace(covariance) / columns
    spread = float((covariance**2).sum()) - columns * level**2
    squares = centred * centred
    noise = (float((squares.sum(axis=1) ** 2).sum()) / rows - float((covariance**2).sum())) / rows
    shrink = 1.0 if spread <= 0 else min(1.0, max(0.0, noise) / spread)
    # equal rows have no covariance: any distance will do
    floor = 1e-12 * max(level, 1e-300)
    return (1 - shrink) * covariance + (shrink * level + floor) * np.eye(columns)
