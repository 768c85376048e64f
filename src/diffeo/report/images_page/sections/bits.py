"""Bits per dimension: of held-out images, and beside those of images of other kinds."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from diffeo.report.images_page.content import Array, ImageReportContent, Tightened
from diffeo.report.page.html import Section, paragraphs, table, text
from diffeo.report.page.plots import DATA, figure, plot
from diffeo.report.page.words import NOTHING, count, number, percent

__all__ = ["bits", "outside"]

HEADINGS = ("images", "number", "bits a dimension", "± s.e.")
# other images that cost more bits than the data in fewer of the pairs are not told apart
CLEAR = 0.9


def bits(content: ImageReportContent) -> Section | None:
    """Mean, standard error and spread of the judged images."""
    scores = content.scores
    if scores is None:
        return None
    which = "held-out images" if content.held_out else "images, which the model was fitted to"
    mean, error = _mean(scores)
    words = (
        f"Bits that the model needs for each pixel and channel of {count(len(scores))} {which}; "
        f"fewer are better. It is an upper bound, because noise makes pixels real numbers."
    )
    body = (
        paragraphs(words)
        + f'<p class="figure">{text(mean)} <small>± {text(error)} bits per dimension</small></p>'
        + (_tighter(content.tightened) if content.tightened is not None else "")
        + _histogram(scores)
    )
    return Section("bits", "Bits per dimension", body)


def _mean(values: Array) -> tuple[str, str]:
    error = values.std(ddof=1) / math.sqrt(len(values)) if len(values) > 1 else math.nan
    return f"{values.mean():.4f}", f"{error:.4f}" if math.isfinite(error) else NOTHING


def _tighter(found: Tightened) -> str:
    rows = [
        (name, count(len(values)), *_mean(values))
        for name, values in (
            ("one draw", found.before),
            (f"{found.draws} draws", found.after),
        )
    ]
    gain = float((found.before - found.after).mean())
    words = (
        f"With {found.draws} draws of the noise of an image, weighted by their importance, the "
        f"bound is {number(gain, 2)} bits tighter."
    )
    headings = ("noise", "images", *HEADINGS[2:])
    return table("The bound with more draws", headings, rows) + paragraphs(words)


def _histogram(scores: Array) -> str:
    counts, edges = np.histogram(scores, bins=min(40, max(5, len(scores) // 8)))
    bars = {
        "type": "bar",
        "x": (edges[:-1] + edges[1:]) / 2,
        "y": counts,
        "width": np.diff(edges),
        "marker": {"color": DATA},
        "hovertemplate": "%{x:.3f} bits: %{y} images<extra></extra>",
    }
    drawn = figure(bars, x="bits per dimension", y="images", showlegend=False)
    label = f"Histogram of bits per dimension, from {scores.min():.3f} to {scores.max():.3f}"
    return plot(drawn, label, wide=True)


def outside(content: ImageReportContent) -> Section | None:
    """The data beside images of other kinds."""
    if len(content.sets) < 2:
        return None
    (own, data), *others = content.sets.items()
    told = {name: _more_bits(data, values) for name, values in others}
    rows = [(text(own), count(len(data)), *_mean(data), "")] + [
        (text(name), count(len(values)), *_mean(values), percent(told[name]))
        for name, values in others
    ]
    warnings = tuple(_warnings(told))
    body = (
        paragraphs(
            "Images of other kinds should cost more bits than the data. The last column is the "
            "share of pairs, one image of each kind, in which they do: 100 % tells them apart "
            "without error, 50 % is a coin's toss.",
        )
        + table("Bits per dimension of other images", (*HEADINGS, "more bits than the data"), rows)
        + paragraphs(*warnings, *_simple(told))
    )
    return Section("outside", "Images of other kinds", body, warnings)


def _more_bits(data: Array, other: Array) -> float:
    """The share of pairs in which the other image costs more, ties counted half."""
    order = np.sort(data)
    below = np.searchsorted(order, other, "left") + np.searchsorted(order, other, "right")
    return float(below.mean() / (2 * len(data)))


def _warnings(told: Mapping[str, float]) -> list[str]:
    return [
        f"The model does not clearly tell the data from “{name}”: these cost more bits in "
        f"{percent(share)} of the pairs."
        for name, share in told.items()
        if share < CLEAR and not name.startswith("constant")
    ]


def _simple(told: Mapping[str, float]) -> list[str]:
    """Simple images are no fault of the model."""
    if all(share >= CLEAR for name, share in told.items() if name.startswith("constant")):
        return []
    return [
        "Images of one constant colour are very simple and often cost few bits, under good models "
        "too: a low number of bits alone does not say that an image is like the data."
    ]
