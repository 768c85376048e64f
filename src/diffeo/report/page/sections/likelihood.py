"""Held-out log-likelihood beside baselines, paired row by row."""

from __future__ import annotations

import math

import numpy as np

from diffeo.report.page.content import Array
from diffeo.report.page.html import Section, paragraphs, table, text
from diffeo.report.page.source import Source
from diffeo.report.page.thresholds import STANDARD_ERRORS
from diffeo.report.page.words import MINUS, NOTHING, count, number, plural, signed

__all__ = ["likelihood"]

HEADINGS = ("density", "nats a row", "± s.e.", "bits a dimension", f"model {MINUS} this", "± s.e.")


def likelihood(source: Source) -> Section | None:
    """Mean nats and bits per dimension of every density, and the model's lead."""
    densities = source.content.log_prob
    if not densities:
        return None
    model, *_ = densities
    cells = _cells_a_row(source)
    rows = [_row(name, densities[model], densities[name], cells) for name in densities]
    n = len(densities[model])
    which = "held-out rows" if source.content.held_out else "rows, which the model was fitted to"
    words = [
        f"Mean log-density of {count(n)} {which}; higher is better. Differences are paired row "
        f"by row. Bits are {MINUS}log₂ of the density for each of {number(cells, 3)} values a row; "
        f"fewer are better.",
        *(_zeros(name, values) for name, values in densities.items()),
    ]
    verdicts: list[str] = []
    warnings: list[str] = []
    for name, values in list(densities.items())[1:]:
        sentence, good = _verdict(name, densities[model], values)
        (verdicts if good else warnings).append(sentence)
    body = (
        paragraphs(*words)
        + table("Held-out log-likelihood", HEADINGS, rows)
        + paragraphs(" ".join(verdicts + warnings))
    )
    return Section("likelihood", "Likelihood", body, tuple(warnings))


def _cells_a_row(source: Source) -> float:
    """Values that a row shows, on average: holes have no density."""
    data = source.data
    if data is None or not data.shape[1]:
        return float(max(len(source.content.columns), 1))
    return float((~np.isnan(data)).sum() / len(data)) or 1.0


def _row(name: str, model: Array, values: Array, cells: float) -> tuple[str, ...]:
    mean, error = _mean(values)
    own = values is model
    lead, lead_error = (math.nan, math.nan) if own else _lead(model, values)
    return (
        text(name),
        signed(mean),
        _plain(error),
        _plain(-mean / math.log(2) / cells),
        "" if own else signed(lead),
        "" if own else _plain(lead_error),
    )


def _plain(value: float) -> str:
    return f"{value:.3f}".replace("-", MINUS) if math.isfinite(value) else NOTHING


def _mean(values: Array) -> tuple[float, float]:
    """Mean and standard error; without an error where a row has density zero."""
    if np.isinf(values).any():
        return float(values.sum()), math.nan
    n = len(values)
    return float(values.mean()), float(values.std(ddof=1) / math.sqrt(n)) if n > 1 else math.nan


def _lead(model: Array, values: Array) -> tuple[float, float]:
    both_zero = np.isneginf(model) & np.isneginf(values)
    return _mean(np.where(both_zero, 0.0, model) - np.where(both_zero, 0.0, values))


def _zeros(name: str, values: Array) -> str:
    zeros = int(np.isneginf(values).sum())
    return f"{plural(zeros, 'row')} have density zero under “{name}”." if zeros else ""


def _verdict(name: str, model: Array, values: Array) -> tuple[str, bool]:
    lead, error = _lead(model, values)
    if lead > 0 and not lead <= STANDARD_ERRORS * error:
        return f"The model is better than “{name}” by {number(lead, 3)} nats a row.", True
    if lead < 0 and not -lead <= STANDARD_ERRORS * error:
        return f"The model is worse than “{name}”, by {number(-lead, 3)} nats a row.", False
    return f"The model is not clearly better than “{name}”: the difference is within noise.", False
