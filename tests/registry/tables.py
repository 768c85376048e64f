"""Densities of columns of different kinds.

Those on lattices besides the integers, and with atoms, have no support of their own to draw points
from: ``tests/tabular/any_order`` adds up their masses.
"""

from __future__ import annotations

from collections.abc import Sequence

from diffeo import TableFlow
from diffeo.tabular.any_order import (
    AngleColumn,
    AnyOrderFlow,
    ColumnKind,
    LevelColumn,
    NumberColumn,
)
from registry.entry import Entry

# these take tables, not tensors: tests/tabular/test_table_flow.py is their audit
OF_TABLES: tuple[type, ...] = (TableFlow,)

MIXED: tuple[ColumnKind, ...] = (
    NumberColumn(),
    LevelColumn(3),
    AngleColumn(),
    NumberColumn(1.0, low=0, high=6),
    LevelColumn(2, closed=True),
    NumberColumn(),
    LevelColumn(3),
    NumberColumn(1.0, low=0),
)


def _flow(columns: Sequence[ColumnKind]) -> AnyOrderFlow:
    return AnyOrderFlow(columns, width=16, blocks=1, components=3, seed=0)


DENSITIES: list[Entry] = [
    Entry("AnyOrderFlow", (AnyOrderFlow,), lambda d, c: _flow(MIXED[:d]), quick=(1, 2, 3)),
    Entry(
        "AnyOrderFlow of numbers",
        (AnyOrderFlow,),
        lambda d, c: _flow([NumberColumn()] * d),
        features=(2,),
    ),
    Entry(
        "AnyOrderFlow of angles",
        (AnyOrderFlow,),
        lambda d, c: _flow([AngleColumn()] * d),
        features=(1, 2),
    ),
    Entry(
        "AnyOrderFlow of levels",
        (AnyOrderFlow,),
        lambda d, c: _flow([LevelColumn(3)] * d),
        features=(1, 3),
    ),
]
