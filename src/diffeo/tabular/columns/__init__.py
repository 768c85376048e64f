"""Typed columns: from a table of anything to an array of codes and numbers, and back."""

from diffeo.tabular.columns.column import Column
from diffeo.tabular.columns.frames import to_frame
from diffeo.tabular.columns.schema import Schema, infer_schema

__all__ = ["Column", "Schema", "infer_schema", "to_frame"]
