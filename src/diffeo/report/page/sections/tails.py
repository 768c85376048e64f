"""Tails: how much of the data lies beyond the samples' extreme quantiles."""

from __future__ import annotations

import numpy as np

from diffeo.report.page.checks.tails import ENDS, Tails, tail_shares
from diffeo.report.page.content import Array
from diffeo.report.page.html import Section, paragraphs, table
from diffeo.report.page.source import Source, worst
from diffeo.report.page.thresholds import FALSE_ALARM, MOST_TABLE_ROWS
from diffeo.report.page.words import date, listed, number, percent, plural

__all__ = ["tails"]

LEAST_ROWS = 50
HEADINGS = ("column", "verdict", "below 0.1 %", "below 1 %", "above 99 %", "above 99.9 %")
SIDES = ("lower", "lower", "upper", "upper")


def tails(source: Source) -> Section | None:
    """A table of the shares, with verdicts in words; columns of labels have no tails."""
    data, samples = source.data, source.samples
    if data is None or samples is None:
        return None
    found = {}
    for j in np.flatnonzero(~source.coded.discrete):
        pair = [_seen(table[:, j]) for table in (data, samples)]
        if min(map(len, pair)) >= LEAST_ROWS:
            found[int(j)] = tail_shares(pair[0], pair[1])
    if not found:
        return None
    alarm = FALSE_ALARM / (len(ENDS) * len(found))
    verdicts = {j: _verdict(each, alarm) for j, each in found.items()}
    columns = list(found)
    shown = [
        columns[k]
        for k in worst(-np.array([f.p_values.min() for f in found.values()]), MOST_TABLE_ROWS)
    ]
    rows = [_row(source, j, found[j], verdicts[j]) for j in shown]
    bad = [j for j in columns if verdicts[j]]
    body = paragraphs(
        "Share of the data beyond each of the samples' extreme quantiles, with the quantile in "
        "brackets. A true model has 0.1 % and 1 %; more means that the samples' tails are too "
        "light.",
        _words(bad, source, len(found)),
    ) + table("Data beyond the samples' quantiles", HEADINGS, rows, words=2)
    warnings = tuple(f"Samples of {source.named(j)}: {verdicts[j]}." for j in bad[:3])
    if len(bad) > len(warnings):
        warnings = (
            *warnings,
            f"In all, {len(bad)} columns have tails that differ from the data's.",
        )
    return Section("tails", "Tails", body, warnings)


def _seen(values: Array) -> Array:
    return values[~np.isnan(values)]


def _verdict(found: Tails, alarm: float) -> str:
    said: dict[str, list[str]] = {}
    for k, side in enumerate(SIDES):
        if found.p_values[k] < alarm:
            fault = "light" if found.observed[k] > found.expected[k] else "heavy"
            if side not in said.setdefault(fault, []):
                said[fault].append(side)
    return "; ".join(
        f"{' and '.join(sides)} tail{'s' if len(sides) > 1 else ''} too {fault}"
        for fault, sides in said.items()
    )


def _row(source: Source, j: int, found: Tails, verdict: str) -> tuple[str, ...]:
    show = date if source.coded.dates[j] else number
    cells = [
        f"{percent(share)} <small>({show(quantile)})</small>"
        for share, quantile in zip(found.observed, found.quantiles, strict=True)
    ]
    words = f"<strong>{verdict}</strong>" if verdict else "no difference found"
    return (source.tagged(j), words, *cells)


def _words(bad: list[int], source: Source, columns: int) -> str:
    if not bad:
        return f"No tail of {plural(columns, 'column')} differs clearly (Fisher's exact test)."
    names = listed(source.named(j) for j in bad)
    return f"Tails differ clearly in {names} (Fisher's exact test)."
