"""Columns of one form together, so that each form is computed once."""

from __future__ import annotations

from collections.abc import Sequence

from diffeo.tabular.any_order.angles import Angles
from diffeo.tabular.any_order.columns import AngleColumn, ColumnKind, LevelColumn, NumberColumn
from diffeo.tabular.any_order.group import ColumnGroup
from diffeo.tabular.any_order.levels import Levels
from diffeo.tabular.any_order.numbers import Numbers

__all__ = ["grouped"]


def grouped(columns: Sequence[ColumnKind], components: int, knots: int) -> list[ColumnGroup]:
    """The columns as groups: numbers and angles with and without steps, levels by their count."""
    members: dict[tuple[type[ColumnKind], float], list[int]] = {}
    for position, column in enumerate(columns):
        members.setdefault(_form(column), []).append(position)
    return [
        _group(kind, positions, [columns[p] for p in positions], components, knots)
        for (kind, _), positions in members.items()
    ]


def _form(column: ColumnKind) -> tuple[type[ColumnKind], float]:
    if isinstance(column, LevelColumn):
        return LevelColumn, column.count
    if isinstance(column, NumberColumn | AngleColumn):
        return type(column), float(column.step > 0)
    raise TypeError(f"a column is a NumberColumn, LevelColumn or AngleColumn, got {column!r}")


def _group(
    kind: type[ColumnKind],
    positions: list[int],
    columns: list[ColumnKind],
    components: int,
    knots: int,
) -> ColumnGroup:
    if kind is LevelColumn:
        return Levels(positions, columns)  # type: ignore[arg-type]
    if kind is AngleColumn:
        return Angles(positions, columns, components)  # type: ignore[arg-type]
    return Numbers(positions, columns, components, knots)  # type: ignore[arg-type]
