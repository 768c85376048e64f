"""Learning curves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from diffeo.report.page.html import Section, paragraphs
from diffeo.report.page.plots import DATA, GREY, SAMPLES, figure, plot
from diffeo.report.page.source import Source
from diffeo.report.page.words import number, plural

__all__ = ["curves", "learning"]

CURVES = (("train", "training", DATA), ("validation", "validation", SAMPLES))
MOST_POINTS = 2000


def learning(source: Source) -> Section | None:
    """Losses by epoch, with the best epoch marked."""
    return curves(source.content.history, source.content.loss_unit)


def curves(losses: Sequence[Mapping[str, Any]], unit: str) -> Section | None:
    """Losses of ``unit`` by epoch, with the best epoch marked."""
    history = [entry for entry in losses if "epoch" in entry]
    if not history:
        return None
    thinned = history[:: math.ceil(len(history) / MOST_POINTS)]
    traces = [
        {
            "type": "scatter",
            "mode": "lines" if len(thinned) > 1 else "markers",
            "x": [entry["epoch"] for entry in thinned],
            "y": [entry.get(key) for entry in thinned],
            "name": name,
            "line": {"color": colour, "width": 2},
        }
        for key, name, colour in CURVES
        if any(_known(entry, key) for entry in thinned)
    ]
    if not traces:
        return None
    best = _best(history)
    shapes = [] if best is None else [_mark(best["epoch"])]
    drawn = figure(*traces, x="epoch", y=f"loss ({unit})", shapes=shapes)
    drawing = plot(drawn, "Training and validation loss by epoch", wide=True)
    words, warnings = _words(history, best, unit)
    return Section("learning", "Learning curves", paragraphs(words) + drawing, warnings)


def _known(entry: Mapping[str, Any], key: str) -> bool:
    value = entry.get(key)
    return value is not None and math.isfinite(value)


def _best(history: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    known = [entry for entry in history if _known(entry, "validation")]
    return min(known, key=lambda entry: float(entry["validation"])) if known else None


def _mark(epoch: float) -> dict[str, Any]:
    line = {"color": GREY, "width": 1, "dash": "dot"}
    return {
        "type": "line",
        "x0": epoch,
        "x1": epoch,
        "y0": 0,
        "y1": 1,
        "yref": "paper",
        "line": line,
    }


def _words(
    history: Sequence[Mapping[str, Any]], best: Mapping[str, Any] | None, unit: str
) -> tuple[str, tuple[str, ...]]:
    epochs = plural(len(history), "epoch")
    if best is None:
        return f"{epochs}; no validation loss was recorded.", ()
    words = (
        f"{epochs}; the validation loss was lowest, {number(best['validation'])} {unit}, "
        f"in epoch {best['epoch']} (dotted line)."
    )
    if len(history) > 1 and best["epoch"] == history[-1]["epoch"]:
        return words, (
            "The validation loss was still falling in the last epoch: a longer fit may be better.",
        )
    return words, ()
