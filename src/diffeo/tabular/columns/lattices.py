"""How the numbers of a column lie: on a lattice, heaped on single values, or freely."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from diffeo.arrays import Floats

__all__ = ["EXACT", "Counts", "Lattice", "find_atoms", "find_lattice", "precision"]

_DECIMALS = 9  # more digits than that are arithmetic, not rounding
_ATOMS = 20  # at most so many values of a column are modelled one by one
_SIGNIFICANT = 5  # digits of a table written with "%.5g"
EXACT = 2.0**53  # whole numbers beyond it are rounded themselves
_EXTREME = 1e100  # numbers so large (or so small) are nobody's rounded measurement
_SPARSE = 20  # places per value of a lattice that is finer than the values call for
_HEAP = 5  # how many times its neighbours' rows a value must hold
_SHARE = 0.002  # of the rows, and at least that share of all
_BESIDE = 4  # neighbours, two on each side but at the ends

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Lattice:
    """Values ``offset + k * step``, written with ``decimals`` digits where that is known."""

    step: float
    offset: float = 0.0
    decimals: int | None = None


def precision(values: Floats) -> float:
    """The relative rounding of the dtype from which the numbers come."""
    with np.errstate(over="ignore"):
        single = values.astype(np.float32).astype(np.float64)
    # whole numbers fit into single precision wherever they come from
    rounded = np.array_equal(single, values) and not np.array_equal(np.rint(values), values)
    return float(np.finfo(np.float32 if rounded else np.float64).eps)


def _digits(values: Floats) -> float:
    """The relative rounding of numbers written with few significant digits; 0 for others."""
    filled = np.abs(values[values != 0])
    if filled.min() < 1 / _EXTREME or filled.max() > _EXTREME:
        return 0.0
    scale = 10.0 ** (_SIGNIFICANT - 1 - np.floor(np.log10(filled)))
    written = np.abs(filled * scale - np.rint(filled * scale)) <= 0.02
    return 0.5 * 10.0 ** (1 - _SIGNIFICANT) if written.all() else 0.0


def find_lattice(distinct: Floats) -> Lattice | None:
    """The coarsest lattice of the sorted ``distinct`` values, if there is one."""
    if len(distinct) < 2:
        return None
    eps = precision(distinct)
    decimal = _decimal(distinct, eps)
    if decimal and distinct[-1] - distinct[0] <= _SPARSE * len(distinct) * decimal.step:
        return decimal
    # most places are empty: the digits may be those of a coarser lattice that was rescaled
    coarse = _even(distinct, 8 * eps) or _even(distinct, 2 * _digits(distinct))
    if decimal and coarse and coarse.step < _SPARSE * decimal.step:
        return decimal
    return coarse or decimal


def _decimal(distinct: Floats, eps: float) -> Lattice | None:
    """A lattice of numbers with few digits after the point."""
    if float(np.abs(distinct).max()) > EXACT:
        return None
    for decimals in range(_DECIMALS + 1):
        scaled = distinct * 10.0**decimals
        # whole numbers are exact in any dtype
        exact = decimals == 0 and np.array_equal(scaled, np.rint(scaled))
        slack = 0.0 if exact else 4 * eps * float(np.abs(scaled).max())
        if slack > 0.05:
            return None
        if np.abs(scaled - np.rint(scaled)).max() <= slack:
            whole = np.rint(scaled).astype(np.int64)
            common = int(np.gcd.reduce(np.diff(whole)))
            offset = int(whole[0]) % common
            step, start = common / 10**decimals, offset / 10**decimals
            return Lattice(step, start, decimals)
    return None


def _even(distinct: Floats, slack: float) -> Lattice | None:
    """A lattice with any step and start, as after standardising rounded numbers."""
    gaps = np.diff(distinct)
    noise = slack * float(np.abs(distinct).max())
    wide = gaps[gaps > noise]
    if not len(wide):
        return None
    like = wide[wide < 1.5 * wide.min()]
    step = float(like.mean())
    places = np.rint((distinct - distinct[0]) / step)
    # the whole span tells the step better than single gaps do
    step = float(distinct[-1] - distinct[0]) / float(places[-1])
    places = np.rint((distinct - distinct[0]) / step)
    off = np.abs(distinct - distinct[0] - places * step).max()
    return Lattice(step, float(distinct[0])) if off <= min(0.05 * step, noise) else None


def find_atoms(distinct: Floats, counts: Counts) -> Floats:
    """Values that hold many more rows than the values beside them, the heaviest ones first.

    A rounded measurement repeats as well, but then its neighbours do so too.
    """
    rows = int(counts.sum())
    limit = max(_HEAP, _SHARE * rows)
    heaped = np.flatnonzero((counts > limit) & (counts >= _HEAP * _beside(counts) + _HEAP))
    heaviest = heaped[np.argsort(-counts[heaped], kind="stable")][:_ATOMS]
    return distinct[heaviest] + 0.0  # no -0.0


def _beside(counts: Counts) -> Counts:
    """The second largest count among the four nearest others, so that one heap hides no other."""
    n = len(counts)
    if n <= _BESIDE:
        return np.array([_second(np.delete(counts, i)) for i in range(n)], dtype=np.int64)
    first = np.clip(np.arange(n) - _BESIDE // 2, 0, n - 1 - _BESIDE)
    places = first[:, None] + np.arange(_BESIDE + 1)
    around = counts[places]
    around[places == np.arange(n)[:, None]] = 0
    beside: Counts = np.sort(around, axis=1)[:, -2]
    return beside


def _second(counts: Counts) -> int:
    return int(np.sort(counts)[-2]) if len(counts) > 1 else 0
