"""The most anomalous rows, with their reasons."""

from __future__ import annotations

from typing import Any

import numpy as np

from diffeo.report.page.content import Anomalies
from diffeo.report.page.html import Section, paragraphs, table, text
from diffeo.report.page.source import Source
from diffeo.report.page.words import number, p_value, plural, short, signed

__all__ = ["anomalies"]

MOST_ROWS = 20
REASONS = 3
# a column that adds less than this to the surprise of a row is no reason
LEAST_NATS = 0.5


def anomalies(source: Source) -> Section | None:
    """A table: row, score, p-value and the columns that surprise most."""
    found = source.content.anomalies
    if found is None or not len(found.rows):
        return None
    shown = range(min(len(found.rows), MOST_ROWS))
    headings = ["row", "reasons"] if found.contributions is not None else ["row", "values"]
    words = [
        f"The {plural(len(shown), 'row')} that the model finds most surprising; a larger score is "
        f"more so."
    ]
    if found.contributions is not None:
        words.append(
            f"Reasons are the columns that add most to the surprise, each with its value and what "
            f"it adds in nats; up to {REASONS}, from {LEAST_NATS:g} nats."
        )
    if found.p_values is not None:
        headings.append("p-value")
        words.append("The p-value is the share of ordinary rows that score at least as high.")
    headings.append("score")
    rows = [_row(source, found, i) for i in shown]
    body = paragraphs(" ".join(words)) + table("Most anomalous rows", headings, rows, words=2)
    return Section("anomalies", "Most anomalous rows", body)


def _row(source: Source, found: Anomalies, i: int) -> tuple[str, ...]:
    cells = [text(short(found.rows.index[i])), _reasons(source, found, i)]
    if found.p_values is not None:
        cells.append(text(p_value(float(found.p_values[i]))))
    return (*cells, text(number(float(found.scores[i]))))


def _reasons(source: Source, found: Anomalies, i: int) -> str:
    row = found.rows.iloc[i]
    if found.contributions is None:
        return ", ".join(
            _cell(source, name, row[name]) for name in list(found.rows.columns)[:REASONS]
        )
    added = found.contributions.iloc[i]
    order = np.argsort(-np.nan_to_num(added.to_numpy(dtype=np.float64)), kind="stable")
    named = [(added.index[j], float(added.iloc[j])) for j in order[:REASONS]]
    reasons = [
        f"{_cell(source, name, row.get(name))} ({text(signed(nats, 1))})"
        for name, nats in named
        if nats >= LEAST_NATS
    ]
    return ", ".join(reasons) or "no single column: how they go together"


def _cell(source: Source, name: Any, value: Any) -> str:
    if isinstance(value, (float, np.floating)):
        shown = "missing" if np.isnan(value) else number(float(value), 5)
    else:
        shown = str(value).removesuffix(" 00:00:00")
        shown = "missing" if shown in {"None", "<NA>", "NaT"} else short(shown, 24)
    return f"{source.tag(name)} = {text(shown)}"
