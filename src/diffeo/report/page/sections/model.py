"""What the model is, and how it was made."""

from __future__ import annotations

from diffeo.report.page.content import ColumnLike
from diffeo.report.page.html import Section, definitions, table, text
from diffeo.report.page.source import Source
from diffeo.report.page.thresholds import MOST_TABLE_ROWS
from diffeo.report.page.words import number, plural, short

__all__ = ["made", "model"]

LEVELS = 6
CONTINUOUS = {"real", "positive", "bounded", "circular", "datetime"}
DAY = 86_400


def model(source: Source) -> Section | None:
    """Summary and the columns with their kinds."""
    content = source.content
    if not content.summary and not content.columns:
        return None
    rows = [
        (source.tag(column.name), text(column.kind), _details(column))
        for column in content.columns[:MOST_TABLE_ROWS]
    ]
    hidden = len(content.columns) - len(rows)
    more = f"; {plural(hidden, 'more column')} not shown" if hidden else ""
    columns = (
        table(f"Columns of the model{more}", ("column", "kind", "values"), rows, words=3)
        if rows
        else ""
    )
    return Section("model", "The model", definitions(content.summary) + columns)


def made(source: Source) -> Section | None:
    """Versions, seed, command."""
    if not source.content.made:
        return None
    return Section("made", "How it was made", definitions(source.content.made))


def _details(column: ColumnLike) -> str:
    levels = column.levels
    parts = []
    if levels:
        shown = ", ".join(text(short(level, 20)) for level in levels[:LEVELS])
        more = f", … ({len(levels):,} in all)" if len(levels) > LEVELS else ""
        parts.append(shown + more)
    if column.step > 0:
        parts.append(f"in steps of {_step(column)}")
    if column.atoms:
        parts.append("mass at " + ", ".join(number(atom) for atom in column.atoms[:LEVELS]))
    return "; ".join(parts) or ("continuous" if column.kind in CONTINUOUS else "")


def _step(column: ColumnLike) -> str:
    if column.kind != "datetime":
        return number(column.step)
    whole_days = column.step % DAY == 0
    days, seconds = plural(int(column.step // DAY), "day"), f"{number(column.step)} seconds"
    return days if whole_days else seconds
