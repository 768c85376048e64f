"""The typed columns of a table, printed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from diffeo.tabular.columns import Schema

__all__ = ["print_columns", "print_rows"]

_WIDEST = 48  # of what is cut short; notes are not


def print_columns(schema: Schema) -> None:
    """One line a column: name, kind, values, share missing, note."""
    entries = schema.table()
    names = ("name", "kind", "values", "missing", "note")
    print_rows(
        ["column", *names[1:]],
        [[*(_short(entry[name]) for name in names[:-1]), entry["note"]] for entry in entries],
    )


def print_rows(header: list[str], rows: list[list[str]]) -> None:
    """Cells in columns; the last one is as long as it likes."""
    lines = [header, *rows]
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    for line in lines:
        padded = [f"{cell:{width}}" for cell, width in zip(line, widths, strict=True)]
        print("  ".join(padded).rstrip())


def _short(text: str) -> str:
    return text if len(text) <= _WIDEST else text[: _WIDEST - 3] + "..."
