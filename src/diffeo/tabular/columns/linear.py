"""The search for columns that are linear combinations of others, to the rounding of floats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from diffeo.arrays import Floats
from diffeo.tabular.columns.column import Column
from diffeo.tabular.columns.derived import Derived, as_numbers
from diffeo.tabular.columns.lattices import precision

__all__ = ["find_sums"]

_MOST = 200  # columns among which combinations are searched
_ROWS = 4000  # rows that the search looks at; what it finds is checked on all
_NEAR = 1e-3  # part of a column that others leave unexplained, above which there is no rule
_SPURIOUS = 1e-6  # weights of standardised columns below that are rounding
_HUGE = 100.0  # weights of standardised columns above that only amplify rounding
_EVIDENCE = 10  # rows besides the commonest value
_EXTREME = 1e100
_ROUNDINGS = 8.0  # by how many roundings of its terms a sum may be off


def find_sums(columns: Mapping[str, Column], values: Mapping[str, Floats]) -> dict[str, Derived]:
    """Rules ``y = start + sum_i w_i x_i`` that hold in all rows.

    Columns are taken in their order, each orthogonalised against those before it (a
    rank-revealing QR without pivoting, so that the earlier columns are the ones kept).

    Args:
        columns: types by name.
        values: encoded values without holes, (rows,) each.
    """
    numbers = {
        name: as_numbers(values[name], column)
        for name, column in columns.items()
        if _numeric(column)
    }
    numbers = {name: x for name, x in numbers.items() if _varies(x)}
    names = list(numbers)
    rows = len(next(iter(numbers.values()))) if names else 0
    if not 2 <= len(names) <= _MOST or rows < 2 * len(names) + _EVIDENCE:
        return {}
    some = np.unique(np.linspace(0, rows - 1, _ROWS).astype(np.int64))
    table = np.stack([numbers[name][some] for name in names], axis=1)
    spread = table.std(axis=0)
    usable = [i for i in range(len(names)) if spread[i] > 0]
    unit = (table - table.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    basis = np.empty((len(some), 0))
    kept: list[int] = []
    found: dict[str, Derived] = {}
    for i in usable:
        rest = unit[:, i]
        for _ in range(2):  # twice is enough for orthogonality
            rest = rest - basis @ (basis.T @ rest)
        left = float(np.sqrt(np.mean(rest**2)))
        if left < _NEAR and kept:
            sources = _sources(unit[:, i], unit[:, kept])
            rule = _rule(columns, numbers, names[i], [names[kept[k]] for k in sources])
            if rule is not None:
                found[names[i]] = rule
                continue
        kept.append(i)
        if left > 1e-9:
            basis = np.column_stack([basis, rest / np.linalg.norm(rest)])
    return found


def _numeric(column: Column) -> bool:
    return column.kind != "categorical" and not any(
        isinstance(level, (bool, str)) for level in column.levels
    )


def _varies(values: Floats) -> bool:
    """Whether enough rows differ from the rest for a rule to be more than a coincidence."""
    largest = float(np.abs(values).max())
    if not 1 / _EXTREME < largest < _EXTREME:
        return False  # its square is no number
    middle = np.median(values)
    return np.count_nonzero(values != middle) >= _EVIDENCE


def _sources(target: Floats, table: Floats) -> list[int]:
    """Which columns of ``table`` a combination needs; none where it is ill-conditioned."""
    weights = np.linalg.lstsq(table, target, rcond=1e-10)[0]
    if np.abs(weights).sum() > _HUGE:
        return []
    return [int(i) for i in np.flatnonzero(np.abs(weights) > _SPURIOUS)]


def _rule(
    columns: Mapping[str, Column], numbers: Mapping[str, Floats], name: str, of: Sequence[str]
) -> Derived | None:
    """The rule for ``name`` from the columns ``of``, if it holds in every row."""
    if not of:
        return None
    y, parts = numbers[name], [numbers[source] for source in of]
    weights, start = _solve(y, parts)
    # by how much each column is rounded
    errors = [precision(x) * float(np.abs(x).max()) for x in parts]
    error = max(precision(y), *map(precision, parts)) * float(np.abs(y).max())
    for digits in (6, None):
        w = weights if digits is None else np.round(weights, digits)
        s = start if digits is None else float(np.round(start, digits)) + 0.0
        tolerance = _ROUNDINGS * (error + float(np.abs(w) @ errors))
        total = s + sum(wi * x for wi, x in zip(w, parts, strict=True))
        if w.all() and tolerance < _NEAR * y.std() and np.abs(y - total).max() <= tolerance:
            column = columns[name]
            slack = 0.0 if column.discrete else tolerance
            return Derived(column, "sum", tuple(of), tuple(w.tolist()), s, tolerance=slack)
    return None


def _solve(y: Floats, parts: Sequence[Floats]) -> tuple[Floats, float]:
    """Weights and intercept by least squares of centred, scaled columns."""
    rows = np.unique(np.linspace(0, len(y) - 1, 5 * _ROWS).astype(np.int64))
    table = np.stack([x[rows] for x in parts], axis=1)
    centre, scale = table.mean(axis=0), table.std(axis=0)
    shifted = y[rows] - y[rows].mean()
    weights = np.linalg.lstsq((table - centre) / scale, shifted, rcond=None)[0] / scale
    return weights, float(y[rows].mean() - centre @ weights)
