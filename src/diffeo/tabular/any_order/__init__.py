"""A density of columns of different kinds, in any order."""

from diffeo import storage
from diffeo.tabular.any_order.columns import AngleColumn, ColumnKind, LevelColumn, NumberColumn
from diffeo.tabular.any_order.flow import AnyOrderFlow

storage.register(AngleColumn, AnyOrderFlow, LevelColumn, NumberColumn)

__all__ = ["AngleColumn", "AnyOrderFlow", "ColumnKind", "LevelColumn", "NumberColumn"]
