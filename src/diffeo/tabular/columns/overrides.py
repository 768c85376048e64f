"""What a user may say about a column in ``schema=``."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from diffeo.errors import DataError
from diffeo.tabular.columns.codes import plain
from diffeo.tabular.columns.column import KINDS, Label
from diffeo.tabular.table import shortened

__all__ = ["LEFT_OUT", "Override", "read_overrides"]

LEFT_OUT = "left out"
_SPANS = ("bounded", "circular")
_WORDS = (*KINDS, "ordinal", LEFT_OUT)


@dataclass(frozen=True)
class Override:
    """What a user says about one column."""

    kind: str
    levels: tuple[Label, ...] = ()
    ordered: bool = False
    low: float = -math.inf
    high: float = math.inf


def read_overrides(schema: Mapping[str, Any], names: Sequence[str]) -> dict[str, Override]:
    """Overrides by column name.

    Args:
        schema: per column one of ``"real"``, ``"positive"``, ``"integer"``, ``"categorical"``,
            ``"boolean"``, ``"datetime"``, ``"left out"``, ``("bounded", low, high)``,
            ``("circular", start, end)``, ``("ordinal", [levels in order])`` or
            ``("categorical", [levels])``.
        names: of the table's columns.

    Raises:
        DataError: a column that the table lacks, or a kind that is none.
    """
    missing = [name for name in schema if name not in names]
    if missing:
        near = [n for m in missing for n in difflib.get_close_matches(str(m), names, n=1)]
        raise DataError(
            f"the schema names {' and '.join(map(repr, missing))}, but the table has no such "
            f"column"
            + (f"; did you mean {' and '.join(map(repr, near))}?" if near else "")
            + f" (its columns: {shortened(names)})"
        )
    return {name: _read(name, given) for name, given in schema.items()}


def _read(name: str, given: Any) -> Override:
    kind, *rest = (given,) if isinstance(given, str) else given if _listed(given) else (given,)
    if kind not in _WORDS:
        raise DataError(
            f"schema of column {name!r}: {given!r} is no kind; use one of "
            f"{', '.join(map(repr, _WORDS))}, e.g. 'positive', ('bounded', 0, 1), "
            f"('circular', 0, 360) or ('ordinal', ['low', 'high'])"
        )
    if kind in _SPANS:
        low, high = _span(name, kind, rest)
        return Override(kind, low=low, high=high)
    if kind in ("ordinal", "categorical") and len(rest) == 1 and _listed(rest[0]):
        levels = tuple(plain(level) for level in rest[0])
        if not levels or len(set(levels)) != len(levels):
            raise DataError(f"schema of column {name!r}: levels must differ, got {levels}")
        return Override("categorical", levels, ordered=kind == "ordinal")
    if rest or kind == "ordinal":
        raise DataError(
            f"schema of column {name!r}: {given!r} is not understood; 'ordinal' needs its levels "
            f"in order, ('ordinal', ['low', 'high']), and {kind!r} takes nothing else"
        )
    return Override(kind)


def _span(name: str, kind: str, rest: Sequence[Any]) -> tuple[float, float]:
    try:
        low, high = (float(bound) for bound in rest)
    except (TypeError, ValueError):
        low, high = 0.0, 0.0
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise DataError(
            f"schema of column {name!r}: {kind!r} needs two finite numbers, "
            f"e.g. ({kind!r}, 0, {360 if kind == 'circular' else 1}), got {list(rest)}"
        )
    return low, high


def _listed(given: Any) -> bool:
    return isinstance(given, Sequence) and not isinstance(given, str) and len(given) > 0
