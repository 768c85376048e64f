"""Privacy: do samples lie nearer to the training rows than new rows do?"""

from __future__ import annotations

import math

import numpy as np

from diffeo.report.page.checks.closest_record import ClosestRecord, closest_record
from diffeo.report.page.html import Section, paragraphs, table
from diffeo.report.page.plots import DATA, SAMPLES, figure, plot
from diffeo.report.page.source import Source
from diffeo.report.page.words import count, number, percent

__all__ = ["privacy"]

NATURAL = 0.05
# standard errors that the share of near samples, or of copies, may exceed the natural one
ALARM = 3.0
LEAST_ROWS = 50
HEADINGS = ("rows", "5 % quantile", "median", "exact copies", "share")


def privacy(source: Source) -> Section | None:
    """Distances to the closest training row, of samples and of held-out rows."""
    training, samples, data = source.training, source.samples, source.data
    if training is None or samples is None or data is None or not source.content.held_out:
        return None
    if min(len(samples), len(data)) < LEAST_ROWS or not training.shape[1]:
        return None
    found = closest_record(training, samples, data, source.coded.discrete, seed=source.content.seed)
    warnings = tuple(_warnings(found))
    verdict = (
        ""
        if warnings
        else (
            "Samples come no nearer to the training rows than held-out rows do: no sign that rows "
            "were memorised. This is a check, not a guarantee of privacy."
        )
    )
    body = (
        paragraphs(
            f"Distance from each sample to the nearest of {count(found.training_rows)} training "
            f"rows, beside that of held-out rows, which shows what is natural. Numbers count in "
            f"standard deviations; two different labels are 1 apart.",
            *warnings,
            verdict,
        )
        + _plot(found)
        + table("Distance to the closest training row", HEADINGS, _rows(found))
    )
    return Section("privacy", "Distance to the closest record", body, warnings)


def _warnings(found: ClosestRecord) -> list[str]:
    said = []
    n, m = len(found.samples), len(found.held_out)
    error = math.sqrt(NATURAL * (1 - NATURAL) * (1 / n + 1 / m))
    # where copies are natural the quantile is 0 and nothing lies below it
    if found.nearer > NATURAL + ALARM * error:
        said.append(
            f"Privacy: {percent(found.nearer)} of the samples lie nearer to a training row than "
            f"95 % of the held-out rows do (5 % would be natural): the model may have memorised "
            f"rows."
        )
    ours, natural = _copy_shares(found)
    pooled = (found.sample_copies + found.held_out_copies) / (
        found.sample_rows + found.held_out_rows
    )
    noise = math.sqrt(pooled * (1 - pooled) * (1 / found.sample_rows + 1 / found.held_out_rows))
    if found.sample_copies and ours > natural + ALARM * noise:
        said.append(
            f"Privacy: {count(found.sample_copies)} of {count(found.sample_rows)} samples "
            f"({percent(ours)}) are exact copies of training rows; among held-out rows "
            f"{percent(natural)} are."
        )
    return said


def _copy_shares(found: ClosestRecord) -> tuple[float, float]:
    return (
        found.sample_copies / found.sample_rows,
        found.held_out_copies / found.held_out_rows,
    )


def _rows(found: ClosestRecord) -> list[tuple[str, ...]]:
    shares = _copy_shares(found)
    return [
        (
            name,
            *(number(float(np.quantile(distances, q)), 3) for q in (0.05, 0.5)),
            count(copies),
            percent(share),
        )
        for name, distances, copies, share in (
            ("samples", found.samples, found.sample_copies, shares[0]),
            ("held-out rows", found.held_out, found.held_out_copies, shares[1]),
        )
    ]


def _plot(found: ClosestRecord) -> str:
    top = float(np.quantile(np.concatenate([found.samples, found.held_out]), 0.99)) or 1.0
    edges = np.linspace(0, top, 41)
    traces = [
        {
            "type": "scatter",
            "mode": "lines",
            "x": edges,
            "y": np.append(shares := np.histogram(values, edges)[0] / len(values), shares[-1]),
            "name": name,
            "line": {"shape": "hv", "color": colour, "width": 2},
            "hovertemplate": "%{y:.2%}",
        }
        for values, name, colour in (
            (found.held_out, "held-out rows", DATA),
            (found.samples, "samples", SAMPLES),
        )
    ]
    axis = {"tickformat": ".0%", "rangemode": "tozero"}
    drawn = figure(*traces, x="distance to the closest training row", yaxis=axis, height=260)
    return plot(drawn, "Distances of samples and of held-out rows to the training rows", wide=True)
