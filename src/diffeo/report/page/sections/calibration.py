"""Calibration: probability integral transforms and the coverage of central intervals."""

from __future__ import annotations

from typing import Any

import numpy as np

from diffeo.report.page.checks.calibration import (
    binomial_band,
    central_coverage,
    effective_rows,
    pit_against_samples,
    uniformity,
)
from diffeo.report.page.coded import LABELLED
from diffeo.report.page.content import Array, ColumnLike
from diffeo.report.page.html import (
    Section,
    grid,
    paragraphs,
    subheading,
    table,
    text,
)
from diffeo.report.page.plots import DATA, GREY, band, figure, in_plot, plot
from diffeo.report.page.source import Source, worst
from diffeo.report.page.thresholds import (
    CLEAR_DISTANCE,
    FALSE_ALARM,
    MOST_CURVES,
    MOST_PLOTS,
    MOST_TABLE_ROWS,
)
from diffeo.report.page.words import listed, p_value, percent

__all__ = ["calibration"]

BINS = 20
NOMINAL = np.linspace(0.02, 0.98, 49)
TABLED = np.array([0.5, 0.9, 0.99])
EXACT = "Where each value lies in the distribution that the model predicts for it, from 0 to 1."
RANKED = (
    "Where each value ranks among the samples of its column, from 0 to 1: this judges the model's "
    "single columns, not how they depend on each other."
)
COLOURS = ("#2c6fbb", "#d9651d", "#2e8b57", "#b0307a", "#8a6d00", "#6a51a3")


def calibration(source: Source) -> Section | None:
    """Histograms of the transforms, and nominal against empirical coverage."""
    names = [source.named(j) for j in range(len(source.content.columns))]
    pit, among, how = _pit(source)
    if pit is None or not names:
        return None
    distances, p_values = uniformity(pit, among)
    coverage = central_coverage(pit, NOMINAL)
    gaps = np.nan_to_num(np.nanmax(np.abs(coverage - NOMINAL[:, None]), axis=0, initial=0))
    clear = np.maximum(gaps, distances) > CLEAR_DISTANCE
    bad = (p_values * len(names) < FALSE_ALARM) & clear
    unlikely = -np.log(np.maximum(p_values, 1e-300))
    body = (
        paragraphs(how)
        + subheading("Probability integral transform")
        + paragraphs(
            "Even bars, up to noise (the band), if the model is right. A hump in the middle: it "
            "is too wide; bars high at both ends: too narrow; a slope: shifted.",
            _left_out(len(names)),
        )
        + grid(_histogram(source, pit[:, j], among, j) for j in worst(unlikely, MOST_PLOTS))
        + subheading("Coverage of central intervals")
        + paragraphs(
            "How much of the data the model's central intervals hold, less what they should. "
            "Below the band: intervals too narrow; above it: too wide."
        )
        + _coverage_plot(pit, among, coverage, names)
        + _table(source, pit, p_values, bad, worst(unlikely, MOST_TABLE_ROWS))
    )
    found = tuple(
        _words(names[j], source.content.columns[j], coverage[:, j], pit[:, j])
        for j in sorted(np.flatnonzero(bad), key=lambda j: -distances[j])[:2]
    )
    if bad.sum() > len(found):
        others = [names[j] for j in np.flatnonzero(bad)]
        found = (*found, f"In all, {bad.sum()} columns are not calibrated: {listed(others)}.")
    return Section("calibration", "Calibration", body, found)


def _pit(source: Source) -> tuple[Array | None, int | None, str]:
    """The transforms, among how many samples they are ranks, and words about them."""
    if source.content.pit is not None:
        return source.content.pit, None, EXACT
    if source.data is None or source.samples is None:
        return None, None, ""
    ranks = pit_against_samples(source.data, source.samples, seed=source.content.seed)
    return ranks, len(source.samples), RANKED


def _left_out(width: int) -> str:
    if width <= MOST_PLOTS:
        return ""
    return f"The {MOST_PLOTS} of {width} columns that look least even are drawn."


def _histogram(source: Source, pit: Array, among: int | None, j: int) -> str:
    seen = pit[~np.isnan(pit)]
    shares = np.histogram(seen, BINS, (0, 1))[0] / max(len(seen), 1)
    rows = max(effective_rows(len(seen), among), 1)
    low, high = binomial_band(rows, np.full(2, 1 / BINS), FALSE_ALARM)
    centres = (np.arange(BINS) + 0.5) / BINS
    bars = {
        "type": "bar",
        "x": centres,
        "y": shares,
        "width": 1 / BINS,
        "marker": {"color": DATA, "opacity": 0.75},
        "name": "share of the values",
        "hovertemplate": "%{y:.2%}",
    }
    axis = {"tickformat": ".0%", "rangemode": "tozero", "nticks": 4}
    drawn = figure(*band([0, 1], low, high, "noise"), bars, yaxis=axis, height=190)
    label = f"Histogram of the probability integral transform of {source.named(j)}"
    return plot(drawn, label, title=source.tagged(j))


def _coverage_plot(pit: Array, among: int | None, coverage: Array, names: list[str]) -> str:
    rows = effective_rows(int((~np.isnan(pit)).sum(axis=0).max()), among)
    # a band for one column at each point; several curves leave it more often
    low, high = binomial_band(max(rows, 1), NOMINAL, FALSE_ALARM)
    shown = worst(np.abs(coverage - NOMINAL[:, None]).max(axis=0), MOST_CURVES)
    curves: list[dict[str, Any]] = [
        {
            "type": "scatter",
            "mode": "lines",
            "x": NOMINAL,
            "y": coverage[:, j] - NOMINAL,
            "customdata": coverage[:, j],
            "name": in_plot(names[j]),
            "line": {"color": COLOURS[k], "width": 2},
            "hovertemplate": "%{x:.0%} intervals hold %{customdata:.1%}",
        }
        for k, j in enumerate(shown)
    ]
    ideal = {
        "type": "scatter",
        "mode": "lines",
        "x": [0, 1],
        "y": [0, 0],
        "showlegend": False,
        "hoverinfo": "skip",
        "line": {"color": GREY, "width": 1, "dash": "dot"},
    }
    drawn = figure(
        *band(NOMINAL, low - NOMINAL, high - NOMINAL, "noise"),
        ideal,
        *curves,
        x="nominal coverage",
        y="empirical less nominal",
        xaxis={"tickformat": ".0%", "range": [0, 1]},
        yaxis={"tickformat": ".0%"},
        height=340,
    )
    left = len(names) - len(shown)
    caption = f"The {len(shown)} columns furthest off; {left} others are not drawn." if left else ""
    return plot(
        drawn, "Nominal against empirical coverage of central intervals", caption=caption, wide=True
    )


def _table(source: Source, pit: Array, p_values: Array, bad: Array, shown: list[int]) -> str:
    coverage = central_coverage(pit, TABLED)
    rows = [
        (
            source.tagged(j),
            "<strong>not calibrated</strong>" if bad[j] else "no clear fault",
            *(percent(share, 1) for share in coverage[:, j]),
            text(p_value(p_values[j])),
        )
        for j in shown
    ]
    headings = ("column", "verdict", *(f"in {percent(c, 0)}" for c in TABLED), "p-value, uniform")
    caption = "Share of the values inside the model's central 50, 90 and 99 % intervals"
    return table(caption, headings, rows, words=2)


def _words(name: str, column: ColumnLike, coverage: Array, pit: Array) -> str:
    if column.kind in LABELLED:  # labels have no order that intervals could follow
        return f"The model's shares of the labels of {name} are off."
    off = coverage - NOMINAL
    above = float((pit > 0.5).sum() / (~np.isnan(pit)).sum())
    if abs(above - 0.5) > np.abs(off).max():
        return (
            f"The model's values for {name} are too {'low' if above > 0.5 else 'high'}: "
            f"{percent(above)} of the data lie above its median."
        )
    at = int(np.abs(off).argmax())
    one_sided = min(off.max(), -off.min()) < abs(off[at]) / 5
    how = ("too wide" if off[at] > 0 else "too narrow") if one_sided else "of the wrong shape"
    return (
        f"The model's intervals for {name} are {how}: its central "
        f"{percent(float(NOMINAL[at]), 0)} intervals hold {percent(coverage[at])} of the values."
    )
