"""Memorisation: do samples lie nearer to training images than new images do?"""

from __future__ import annotations

import math

import numpy as np

from diffeo.report.images_page.content import Array, ImageReportContent, Neighbours
from diffeo.report.images_page.pictures import figures
from diffeo.report.page.html import Section, paragraphs, table
from diffeo.report.page.words import count, number, percent

__all__ = ["neighbours"]

# the share of held-out images that are called near
NATURAL = 0.05
# standard errors that the share of near samples may exceed the natural one
ALARM = 3.0
LEAST = 20
# times the usual distance beyond which samples are said to be unlike the images
FAR = 1.5
HEADINGS = ("images", "5 % quantile", "median", "copies")


def neighbours(content: ImageReportContent) -> Section | None:
    """Samples beside their nearest training image, and a verdict."""
    found = content.neighbours
    if found is None:
        return None
    warning = _warning(found)
    sets = [("samples", found.samples)]
    if found.held_out is not None:
        sets.append(("held-out images", found.held_out))
    rows = [(name, *_row(values)) for name, values in sets]
    body = (
        paragraphs(
            f"A model that had learned its training images by heart would draw them again. Each "
            f"sample stands beside the nearest of {count(found.training)} training images, by the "
            f"Euclidean distance of their levels.",
            warning or _verdict(found),
            _far(found),
        )
        + figures((found.shown,))
        + table("Distance to the nearest training image", HEADINGS, rows)
    )
    return Section("neighbours", "Nearest training images", body, (warning,) if warning else ())


def _row(values: Array) -> tuple[str, ...]:
    quantiles = (number(float(np.quantile(values, q)), 3) for q in (0.05, 0.5))
    return (*quantiles, count(int((values == 0).sum())))


def _near(found: Neighbours) -> tuple[float, float]:
    """The share of samples that are near, and its standard error if nothing is memorised."""
    assert found.held_out is not None
    near = np.quantile(found.held_out, NATURAL)
    error = math.sqrt(NATURAL * (1 - NATURAL) * (1 / len(found.samples) + 1 / len(found.held_out)))
    # where copies are natural the quantile is 0, and nothing lies below it
    return float((found.samples < near).mean()), error


def _enough(found: Neighbours) -> bool:
    held_out = 0 if found.held_out is None else len(found.held_out)
    return min(len(found.samples), held_out) >= LEAST


def _warning(found: Neighbours) -> str:
    if not _enough(found):
        return ""
    share, error = _near(found)
    if share <= NATURAL + ALARM * error:
        return ""
    return (
        f"Memorisation: {percent(share)} of the samples lie nearer to a training image than 95 % "
        f"of the held-out images do (5 % would be natural). The model may have learned training "
        f"images by heart; look at the pairs."
    )


def _far(found: Neighbours) -> str:
    """Samples that are like nothing are no copies either."""
    if found.held_out is None:
        return ""
    ours, usual = float(np.median(found.samples)), float(np.median(found.held_out))
    if ours <= FAR * usual:
        return ""
    return (
        f"Samples lie further away than new images do ({number(ours, 3)} beside {number(usual, 3)} "
        f"in the median): they do not look like the training images yet."
    )


def _verdict(found: Neighbours) -> str:
    if not _enough(found):
        return "There are too few images to say whether the distances are natural."
    share, _ = _near(found)
    return (
        f"No sign of memorisation: {percent(share)} of the samples lie nearer to a training image "
        f"than 95 % of the held-out images do, and 5 % would be natural. This is a check of "
        f"pixels, not a guarantee."
    )
