"""Bins that fit a column: whole lattice steps, without the atoms, without far outliers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from diffeo.report.page.content import Array

__all__ = ["Histogram", "bin_edges", "histogram"]

BINS = 40
# positive values over more decades than this are drawn on a logarithmic axis
DECADES = 3.0
# outliers that make the axis longer than this are left out of the bins
STRETCH = 1.25


@dataclass(frozen=True)
class Histogram:
    """Histograms of several arrays over the same bins.

    Attributes:
        edges: (bins + 1,).
        shares: for each array (bins,), shares of all its values, atoms and outliers included.
        atoms: for each atom its value and its share in each array.
        outside: for each array the share beyond the edges.
        logarithmic: whether the bins are even in the logarithm.
    """

    edges: Array
    shares: tuple[Array, ...]
    atoms: tuple[tuple[float, tuple[float, ...]], ...]
    outside: tuple[float, ...]
    logarithmic: bool


def histogram(
    *arrays: Array,
    step: float = 0.0,
    offset: float = 0.0,
    atoms: tuple[float, ...] = (),
    bins: int = BINS,
    linear: bool = False,
) -> Histogram:
    """Histograms of ``arrays`` (rows,) of numbers; NaN is left out.

    Args:
        arrays: the first is the one whose spread chooses the edges, together with the others'.
        step: > 0 where values lie on ``offset + k * step``: each bin then holds as many of them.
        offset: of that lattice.
        atoms: single values to leave out of the bins and to count apart.
        bins: at most.
        linear: never even in the logarithm.
    """
    seen = [values[~np.isnan(values)] for values in arrays]
    smooth = [values[~np.isin(values, atoms)] for values in seen]
    edges, logarithmic = bin_edges(smooth, step, offset, bins, linear)
    sizes = [max(len(values), 1) for values in seen]
    counts = [np.histogram(values, edges)[0] for values in smooth]
    return Histogram(
        edges,
        tuple(c / n for c, n in zip(counts, sizes, strict=True)),
        tuple(
            (atom, tuple(float((v == atom).sum()) / n for v, n in zip(seen, sizes, strict=True)))
            for atom in atoms
        ),
        tuple(float(len(s) - c.sum()) / n for s, c, n in zip(smooth, counts, sizes, strict=True)),
        logarithmic,
    )


def bin_edges(
    arrays: Sequence[Array], step: float, offset: float, bins: int, linear: bool = False
) -> tuple[Array, bool]:
    """At most ``bins`` bins that hold all of ``arrays``, or all but their far outliers.

    Returns:
        The edges, and whether they are even in the logarithm.
    """
    arrays = [values for values in arrays if len(values)]
    if not arrays:
        return np.array([0.0, 1.0]), False
    low, high = _ends(arrays)
    if step > 0:
        return _lattice_edges(low, high, step, offset, bins), False
    if low == high:
        margin = abs(low) / 2 or 0.5
        return np.linspace(low - margin, high + margin, bins + 1), False
    if not linear and low > 0 and math.log10(high) - math.log10(low) > DECADES:
        return np.geomspace(low, high, bins + 1), True
    return np.linspace(low, high, bins + 1), False


def _ends(arrays: Sequence[Array]) -> tuple[float, float]:
    """Lowest and highest, without the furthest rows of each array if they stretch them.

    These are a thousandth of the rows, but at least the outermost one.
    """
    quantiles = np.array([np.quantile(values, _levels(len(values))) for values in arrays])
    lowest, low = quantiles[:, 0].min(), quantiles[:, 1].min()
    high, highest = quantiles[:, 2].max(), quantiles[:, 3].max()
    room = (STRETCH - 1) * (high - low)
    return (
        float(lowest if low - lowest <= room else low),
        float(highest if highest - high <= room else high),
    )


def _levels(rows: int) -> list[float]:
    far = min(max(0.001, 1 / rows), 0.5)
    return [0, far, 1 - far, 1]


def _lattice_edges(low: float, high: float, step: float, offset: float, bins: int) -> Array:
    """Halfway between points of the lattice, the same number of points in each bin."""
    first, last = round((low - offset) / step), round((high - offset) / step)
    each = math.ceil((last - first + 1) / bins)
    number = math.ceil((last - first + 1) / each)
    return offset + step * (first - 0.5 + each * np.arange(number + 1))
