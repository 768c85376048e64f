"""Typed columns: from a table of anything to an array of codes and numbers, and back."""

from diffeo.tabular.columns.column import Column

__all__ = ["Column"]
