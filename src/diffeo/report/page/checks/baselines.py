"""Baselines of a density: independent columns, and one Gaussian of the numbers."""

from __future__ import annotations

import math

import numpy as np

from diffeo.report.page.coded import Coded
from diffeo.report.page.content import Array, ColumnLike

__all__ = ["gaussian_log_prob", "independent_log_prob"]


def independent_log_prob(coded: Coded) -> Array:
    """Held-out log-densities (rows,) in nats under independent columns.

    Labels and atoms have their smoothed frequencies among the training rows, numbers a histogram
    of bins of equal mass with exponential tails; values on a lattice have the mass of their point.
    Holes count nothing, so a row with holes is scored on what it shows.

    Args:
        coded: of two frames, the training rows and the held-out rows.
    """
    train, test = coded.tables
    total = np.zeros(len(test))
    for j, column in enumerate(coded.columns):
        if coded.discrete[j]:
            total += _label_log_prob(train[:, j], test[:, j], len(coded.labels[j]))
        else:
            total += _atom_log_prob(train[:, j], test[:, j], column)
            smooth = [_without_atoms(table[:, j], column) for table in (train, test)]
            total += _histogram_log_prob(smooth[0], smooth[1], column)
    return total


def gaussian_log_prob(coded: Coded) -> Array:
    """Held-out log-densities (rows,) in nats under one Gaussian of all numbers.

    Labels and atoms are independent with their smoothed frequencies. The Gaussian has mean and
    covariance of the training rows; holes and atoms are integrated out of it, row by row; values
    on a lattice have the density times the step.

    Args:
        coded: of two frames, the training rows and the held-out rows.
    """
    train, test = coded.tables
    total = np.zeros(len(test))
    for j in np.flatnonzero(coded.discrete):
        total += _label_log_prob(train[:, j], test[:, j], len(coded.labels[j]))
    numbers = np.flatnonzero(~coded.discrete)
    for j in numbers:
        total += _atom_log_prob(train[:, j], test[:, j], coded.columns[j])
    if not len(numbers):
        return total
    smooth = [
        np.stack([_without_atoms(table[:, j], coded.columns[j]) for j in numbers], axis=1)
        for table in (train, test)
    ]
    steps = np.array([math.log(coded.columns[j].step or 1.0) for j in numbers])
    cells: Array = (~np.isnan(smooth[1])) @ steps
    return total + cells + _marginal_gaussian(*_moments(smooth[0]), smooth[1])


def _without_atoms(values: Array, column: ColumnLike) -> Array:
    return np.where(np.isin(values, column.atoms), np.nan, values)


def _label_log_prob(train: Array, test: Array, labels: int) -> Array:
    seen = train[~np.isnan(train)].astype(np.int64)
    # one more than there are labels, for what nobody has seen
    log_prob = np.log((np.bincount(seen, minlength=labels) + 1) / (len(seen) + labels + 1))
    hole = np.isnan(test)
    return np.where(hole, 0.0, log_prob[np.where(hole, 0, test).astype(np.int64)])


def _atom_log_prob(train: Array, test: Array, column: ColumnLike) -> Array:
    """log of the mass of the atom that a value is, or of being none of them."""
    if not column.atoms:
        return np.zeros(len(test))
    codes = [_which_atom(values, column.atoms) for values in (train, test)]
    return _label_log_prob(codes[0], codes[1], len(column.atoms) + 1)


def _which_atom(values: Array, atoms: tuple[float, ...]) -> Array:
    which = np.full(len(values), float(len(atoms)))
    for k, atom in enumerate(atoms):
        which[values == atom] = k
    return np.where(np.isnan(values), np.nan, which)


def _histogram_log_prob(train: Array, test: Array, column: ColumnLike) -> Array:
    seen = np.sort(train[~np.isnan(train)])
    if not len(seen):
        return np.where(np.isnan(test), 0.0, -np.inf)
    edges = _equal_mass_edges(seen, column)
    counts = np.histogram(seen, edges)[0] + 0.5
    # half a row in each bin, and in each tail
    mass = counts / (counts.sum() + 1.0)
    density = np.log(mass / np.diff(edges))
    scale = max(float(seen.std()), float(np.diff(edges).max()))
    tail = math.log(0.5 / (counts.sum() + 1.0) / scale)
    inside = np.clip(edges.searchsorted(test, "right") - 1, 0, len(density) - 1)
    beyond = np.maximum(edges[0] - test, 0) + np.maximum(test - edges[-1], 0)
    log_prob = np.where(beyond > 0, tail - beyond / scale, density[inside])
    return np.where(np.isnan(test), 0.0, log_prob + math.log(column.step or 1.0))


def _equal_mass_edges(seen: Array, column: ColumnLike) -> Array:
    bins = max(4, round(2 * len(seen) ** (1 / 3)))
    edges = np.unique(np.quantile(seen, np.linspace(0, 1, bins + 1)))
    if column.step > 0:  # halfway between the points of the lattice
        points = np.round((edges - column.offset) / column.step)
        points = np.append(points, points[-1] + 1)
        return np.unique(column.offset + column.step * (points - 0.5))
    if len(edges) == 1:
        width = abs(edges[0]) * 1e-3 or 1e-3
        return np.array([edges[0] - width, edges[0] + width])
    return edges


def _moments(x: Array) -> tuple[Array, Array]:
    """Mean and a positive definite covariance of the values seen, pair by pair."""
    seen = ~np.isnan(x)
    mean = np.where(seen, x, 0).sum(axis=0) / np.maximum(seen.sum(axis=0), 1)
    centred = np.where(seen, x - mean, 0)
    pairs = seen.astype(np.float64).T @ seen
    covariance = centred.T @ centred / np.maximum(pairs, 1)
    deviation = np.sqrt(np.diag(covariance))
    deviation[deviation == 0] = 1.0
    # pairs of different rows need not fit together: the nearest correlations that do
    values, vectors = np.linalg.eigh(covariance / np.outer(deviation, deviation))
    correlation = (vectors * np.maximum(values, 1e-9)) @ vectors.T
    return mean, correlation * np.outer(deviation, deviation)


def _marginal_gaussian(mean: Array, covariance: Array, x: Array) -> Array:
    """log N of what each row of ``x`` shows; rows with the same holes share a factorisation."""
    seen = ~np.isnan(x)
    patterns, which = np.unique(seen, axis=0, return_inverse=True)
    log_prob = np.zeros(len(x))
    for k, pattern in enumerate(patterns):
        if pattern.any():
            rows = which.reshape(-1) == k
            factor = np.linalg.cholesky(covariance[np.ix_(pattern, pattern)])
            z = np.linalg.solve(factor, (x[rows][:, pattern] - mean[pattern]).T)
            constant = np.log(np.diag(factor)).sum() + pattern.sum() * math.log(2 * math.pi) / 2
            log_prob[rows] = -constant - (z**2).sum(axis=0) / 2
    return log_prob
