"""Which columns are continuous numbers and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from diffeo.tabular.columns import Column, Schema

__all__ = ["not_plain"]


def not_plain(schema: Schema) -> dict[str, str]:
    """Columns that are something else than continuous numbers without holes, and what, in words.

    Example:
        >>> from diffeo.tabular.columns import infer_schema
        >>> from diffeo.tabular.plain import not_plain
        >>> not_plain(infer_schema({"x": [0.13, 2.77, 3.141], "n": [1, 2, 5]}))
        {'n': 'holds whole numbers'}
    """
    found = {column.name: why for column in schema.columns if (why := _unlike(column))}
    found |= dict.fromkeys(schema.derived, "follows from the others")
    return found | dict.fromkeys(schema.left_out, "cannot be modelled")


def _unlike(column: Column) -> str:
    """What makes a column something else than continuous numbers without holes."""
    words = {"categorical": "holds labels", "boolean": "is yes or no", "datetime": "holds dates"}
    if column.kind in words:
        return words[column.kind]
    if column.missing:
        return "has holes"
    if column.kind == "integer":
        return "holds whole numbers"
    if column.discrete:
        return "takes few values"
    if column.step:
        return f"comes in steps of {column.step:.4g}"
    return f"is heaped at {column.atoms[0]:g}" if column.atoms else ""
