"""Pieces of HTML; whatever comes from the data is escaped here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

__all__ = [
    "Section",
    "definitions",
    "grid",
    "name_tag",
    "paragraphs",
    "subheading",
    "table",
    "text",
]


# tables of more rows scroll inside their box on a screen
LONG = 25
# characters that fit beside a name on a phone
BRIEF = 22


@dataclass(frozen=True)
class Section:
    """A part of the page.

    Attributes:
        anchor: what links to it name.
        title: its heading, plain text.
        html: what follows the heading.
        warnings: in plain words, shown at the top of the page.
    """

    anchor: str
    title: str
    html: str
    warnings: tuple[str, ...] = ()


def text(value: Any) -> str:
    """``value`` as text that a browser takes for nothing else."""
    return escape(str(value), quote=True)


def name_tag(name: Any, brief: str) -> str:
    """The name of a column as ``brief``, in full where one points at it."""
    title = f' title="{text(name)}"' if brief != str(name) else ""
    return f"<code{title}>{text(brief)}</code>"


def paragraphs(*sentences: str) -> str:
    """A paragraph each, of plain text."""
    return "".join(f"<p>{text(sentence)}</p>" for sentence in sentences if sentence)


def definitions(pairs: Sequence[tuple[str, str]]) -> str:
    """Labels beside their values, of plain text."""
    items = "".join(f"<dt>{text(label)}</dt><dd>{text(value)}</dd>" for label, value in pairs)
    return f"<dl>{items}</dl>" if items else ""


def subheading(words: str) -> str:
    """A heading inside a section."""
    return f"<h3>{text(words)}</h3>"


def table(
    caption: str, headings: Sequence[str], rows: Iterable[Sequence[str]], *, words: int = 1
) -> str:
    """A table in a box that scrolls sideways by itself.

    Args:
        caption: plain text.
        headings: plain text.
        rows: cells as HTML; the first of a row is its heading.
        words: how many leading columns are words, on the left; the others are numbers.
    """
    head = "".join(
        f'<th scope="col"{_side(i, words)}>{text(heading)}</th>'
        for i, heading in enumerate(headings)
    )
    lines = [f"<tr>{_cells(row, words)}</tr>" for row in rows]
    body, long = "".join(lines), " long" if len(lines) > LONG else ""
    return (
        f'<div class="table{long}" tabindex="0" role="region" aria-label="{text(caption)}"><table>'
        f"<caption>{text(caption)}</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _cells(row: Sequence[str], words: int) -> str:
    first, *others = row
    cells = (f"<td{_side(i, words, cell)}>{cell}</td>" for i, cell in enumerate(others, 1))
    return f'<th scope="row">{first}</th>' + "".join(cells)


def _side(column: int, words: int, cell: str = "") -> str:
    """Numbers stand on the right; a few words stay on one line."""
    if column >= words:
        return ' class="number"'
    return ' class="brief"' if 0 < len(re.sub("<[^>]*>", "", cell)) <= BRIEF else ""


def grid(figures: Iterable[str]) -> str:
    """Figures beside each other, as many as there is room for."""
    return f'<div class="grid">{"".join(figures)}</div>'
