"""How the numbers of a column lie: on a lattice, heaped on single values, or freely."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from diffeo.tabular.columns.numbers import Floats

__all__ = ["Lattice", "find_atoms", "find_lattice", "precision"]

_DECIMALS = 9  # more digits than that are arithmetic, not rounding
_ATOMS = 20  # at most so many values of a column are modelled one by one
_HEAP = 5  # how many times its neighbours' rows a value must hold
_SHARE = 0.002  # of the rows, and at least that share of all
_NEIGHBOURS = 2  # on each side

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Lattice:
    """Values ``offset + k * step``, written with ``decimals`` digits where that is known."""

    step: float
    offset: float = 0.0
    decimals: int | None = None


def precision(values: Floats) -> float:
    """The relative rounding of the dtype from which the numbers come."""
    single = values.astype(np.float32).astype(np.float64)
    return float(np.finfo(np.float32 if np.array_equal(single, values) else np.float64).eps)


def find_lattice(distinct: Floats) -> Lattice | None:
    """The coarsest lattice of the sorted ``distinct`` values, if there is one."""
    if len(distinct) < 2:
        return None
    eps = precision(distinct)
    return _decimal(distinct, eps) or _even(distinct, eps)


def _decimal(distinct: Floats, eps: float) -> Lattice | None:
    """A lattice of numbers with few digits after the point."""
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


def _even(distinct: Floats, eps: float) -> Lattice | None:
    """A lattice with any step and start, as after standardising rounded numbers."""
    gaps = np.diff(distinct)
    noise = 8 * eps * float(np.abs(distinct).max())
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
    return Lattice(step, float(distinct[0])) if off <= min(0.02 * step, noise) else None


def find_atoms(distinct: Floats, counts: Counts) -> Floats:
    """Values that hold many more rows than the values beside them, the heaviest ones first.

    A rounded measurement repeats as well, but then its neighbours do so too.
    """
    rows = int(counts.sum())
    limit = max(_HEAP, _SHARE * rows)
    heaped = np.flatnonzero((counts > limit) & (counts >= _HEAP * _beside(counts) + _HEAP))
    heaviest = heaped[np.argsort(-counts[heaped], kind="stable")][:_ATOMS]
    return distinct[heaviest]


def _beside(counts: Counts) -> Counts:
    """The second largest count among the neighbours, so that one more heap hides none."""
    padded = np.pad(counts, 2 * _NEIGHBOURS)
    n = len(counts)
    shifts = [s for s in range(-_NEIGHBOURS, _NEIGHBOURS + 1) if s]
    around = np.stack([padded[2 * _NEIGHBOURS + s : 2 * _NEIGHBOURS + s + n] for s in shifts])
    beside = np.sort(around, axis=0)[-2]
    # at the ends the neighbours are all on one side
    for i in range(min(_NEIGHBOURS, n)):
        for at, side in ((i, counts[: 2 * _NEIGHBOURS + 1]), (n - 1 - i, counts[-5:])):
            others = np.delete(side, at if at < n - 1 - at else at - (n - len(side)))
            beside[at] = np.sort(others)[-2] if len(others) > 1 else 0
    return beside
