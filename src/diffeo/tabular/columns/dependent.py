"""The search for columns that are constant or an exact function of others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

from diffeo.arrays import Floats
from diffeo.tabular.columns.column import Column
from diffeo.tabular.columns.derived import Derived
from diffeo.tabular.columns.linear import find_sums

__all__ = ["find_derived"]

Codes = npt.NDArray[np.int64]

# rows besides the commonest value, without which a coincidence is as likely as a rule
_EVIDENCE = 10
_REPEATS = 30  # rows that repeat a level and confirm what it leads to
_SAMPLE = 512  # rows on which most candidates already fail


def find_derived(columns: Mapping[str, Column], codes: Mapping[str, Floats]) -> dict[str, Derived]:
    """Rules for all columns that others, or nothing at all, determine.

    Args:
        columns: types by name, in the order of the table: earlier columns are kept.
        codes: their encoded values, (rows,) each.

    Returns:
        rules by name; what they refer to is never derived itself.
    """
    derived = dict(_constants(columns, codes))
    free = [name for name in columns if name not in derived]
    for group in _by_holes(free, codes):
        filled = ~np.isnan(codes[group[0]])
        values = {name: codes[name][filled] for name in group}
        for search in (_relabelled, _lookups, find_sums):
            kept = {name: columns[name] for name in group if name not in derived}
            derived.update(search(kept, values))
    return derived


def _constants(
    columns: Mapping[str, Column], codes: Mapping[str, Floats]
) -> Iterator[tuple[str, Derived]]:
    for name, column in columns.items():
        filled = codes[name][~np.isnan(codes[name])]
        if len(filled) and (filled == filled[0]).all():
            yield name, Derived(column, "constant", start=float(filled[0]))


def _by_holes(names: list[str], codes: Mapping[str, Floats]) -> list[list[str]]:
    """Columns with holes in the same rows: only they can follow from one another in all rows."""
    groups: dict[bytes, list[str]] = {}
    for name in names:
        groups.setdefault(np.packbits(np.isnan(codes[name])).tobytes(), []).append(name)
    return list(groups.values())


def _relabelled(columns: Mapping[str, Column], values: Mapping[str, Floats]) -> dict[str, Derived]:
    """Copies, and discrete columns that are one and the same but for their labels."""
    found: dict[str, Derived] = {}
    seen: dict[bytes, str] = {}
    for name, column in columns.items():
        if not column.discrete:
            key = (values[name] + 0.0).tobytes()
        elif _minority(values[name]) >= _EVIDENCE:
            codes = values[name].astype(np.int64)
            key = _firsts(codes)[codes].tobytes()
        else:
            continue
        first = seen.setdefault(key, name)
        if first == name:
            continue
        if column.levels != columns[first].levels:
            table = _table(values[first].astype(np.int64), values[name], columns[first])
            found[name] = Derived(column, "lookup", (first,), table=table)
        elif np.array_equal(values[first], values[name]) and len(values[name]) >= _EVIDENCE:
            found[name] = Derived(column, "copy", (first,))
    return found


def _lookups(columns: Mapping[str, Column], values: Mapping[str, Floats]) -> dict[str, Derived]:
    """Columns whose value the level of another one tells, as a name tells a code."""
    found: dict[str, Derived] = {}
    names = list(columns)
    rows = len(values[names[0]]) if names else 0
    sources = sorted(
        (n for n in names if len(columns[n].levels) > 2), key=lambda n: -len(columns[n].levels)
    )
    if not sources:
        return found
    sample = np.unique(np.linspace(0, rows - 1, _SAMPLE).astype(np.int64))
    some = np.stack([values[name][sample] for name in names], axis=1)
    for source in sources:
        if source in found:
            continue
        codes = values[source].astype(np.int64)
        first = _firsts(codes[sample])
        agree = (some[first[codes[sample]]] == some).all(axis=0)
        for name in (name for name, same in zip(names, agree, strict=True) if same):
            if name != source and name not in found and _tells(codes, values[name]):
                table = _table(codes, values[name], columns[source])
                found[name] = Derived(columns[name], "lookup", (source,), table=table)
    return found


def _tells(codes: Codes, values: Floats) -> bool:
    """Whether equal codes always go with equal values, and do so often enough."""
    firsts = _firsts(codes)
    led = values[firsts[codes]]
    if not np.array_equal(led, values):
        return False
    counts = np.bincount(codes)
    seen = np.flatnonzero(counts)
    distinct, inverse = np.unique(values[firsts[seen]], return_inverse=True)
    rows = np.bincount(inverse, counts[seen])
    telling = inverse != rows.argmax()
    return len(distinct) > 1 and int((counts[seen] - 1)[telling].sum()) >= _REPEATS


def _table(codes: Codes, values: Floats, source: Column) -> tuple[float | None, ...]:
    """The value that goes with each code of ``source``."""
    firsts = _firsts(codes)
    seen = set(np.unique(codes).tolist())
    return tuple(
        float(values[firsts[code]]) if code in seen else None for code in range(len(source.levels))
    )


def _firsts(codes: Codes) -> Codes:
    """The row in which each code stands first."""
    first = np.zeros(int(codes.max()) + 1, dtype=np.int64)
    # the last assignment is the one that stays
    first[codes[::-1]] = np.arange(len(codes))[::-1]
    return first


def _minority(values: Floats) -> int:
    return int(len(values) - np.bincount(values.astype(np.int64)).max())
