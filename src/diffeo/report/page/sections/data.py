"""A summary of the data."""

from __future__ import annotations

import numpy as np

from diffeo.report.page.content import Array
from diffeo.report.page.html import Section, paragraphs, table, text
from diffeo.report.page.source import Source
from diffeo.report.page.thresholds import MOST_TABLE_ROWS
from diffeo.report.page.words import NOTHING, count, date, number, percent, plural, short

__all__ = ["data"]

HEADINGS = ("column", "missing", "distinct", "lowest", "median", "highest", "mean", "deviation")
MOST_LABELS = 4


def data(source: Source) -> Section | None:
    """Rows, holes, and the spread of every column."""
    values, coded = source.data, source.coded
    if values is None or not values.shape[1]:
        return None
    shown = range(min(values.shape[1], MOST_TABLE_ROWS))
    numbers = [_numbers(source, j, values[:, j]) for j in shown if not coded.discrete[j]]
    labels = [_labels(source, j, values[:, j]) for j in shown if coded.discrete[j]]
    body = paragraphs(*_words(source, values))
    if numbers:
        body += table("Numbers and dates", HEADINGS, numbers)
    if labels:
        body += table("Labels", ("column", "most frequent", "missing", "distinct"), labels, words=2)
    return Section("data", "The data", body)


def _words(source: Source, values: Array) -> list[str]:
    which = "held-out rows" if source.content.held_out else "rows the model was fitted to"
    holes = np.isnan(values)
    head = f"{count(len(values))} {which} of {plural(values.shape[1], 'column')}. "
    if not holes.any():
        head += "No value is missing."
    else:
        head += (
            f"{percent(float(holes.mean()))} of the values are missing; "
            f"{percent(float(holes.any(axis=1).mean()))} of the rows have a hole."
        )
    hidden = values.shape[1] - MOST_TABLE_ROWS
    return [head, f"{plural(hidden, 'more column')} not listed." if hidden > 0 else ""]


def _numbers(source: Source, j: int, values: Array) -> tuple[str, ...]:
    seen = values[~np.isnan(values)]
    name, missing = source.tagged(j), percent(1 - len(seen) / len(values))
    if not len(seen):
        return (name, missing, "0", *[NOTHING] * 5)
    show = date if source.coded.dates[j] else number
    spread = (seen.min(), float(np.median(seen)), seen.max(), seen.mean())
    deviation = _days(seen.std()) if source.coded.dates[j] else number(seen.std())
    return (
        name,
        missing,
        count(len(np.unique(seen))),
        *(text(show(float(value))) for value in spread),
        text(deviation),
    )


def _days(seconds: float) -> str:
    return f"{number(seconds / 86_400)} days"


def _labels(source: Source, j: int, values: Array) -> tuple[str, ...]:
    seen = values[~np.isnan(values)].astype(np.int64)
    labels = source.coded.labels[j]
    counts = np.bincount(seen, minlength=len(labels))
    order = np.argsort(-counts, kind="stable")[:MOST_LABELS]
    frequent = ", ".join(
        f"{text(short(labels[k], 24))}: {percent(counts[k] / len(seen))}"
        for k in order
        if counts[k]
    )
    return (
        source.tagged(j),
        frequent or NOTHING,
        percent(1 - len(seen) / len(values)),
        count(int((counts > 0).sum())),
    )
