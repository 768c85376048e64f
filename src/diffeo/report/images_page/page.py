"""The page on a model of images: one HTML file that needs nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable

from diffeo.files import write_atomically
from diffeo.report.images_page.content import ImageReportContent
from diffeo.report.images_page.sections.bits import bits, outside
from diffeo.report.images_page.sections.neighbours import neighbours
from diffeo.report.images_page.sections.pictures import directions, paths, samples
from diffeo.report.images_page.sections.round_trip import round_trip
from diffeo.report.page.document import document
from diffeo.report.page.html import Section, definitions
from diffeo.report.page.sections.learning import curves

__all__ = ["render_image_report", "write_image_report"]

IN_SAMPLE = (
    "The model is judged on images it was fitted to, so its bits per dimension look better than "
    "they are. Keep some images from the fit and report on those."
)


def _model(content: ImageReportContent) -> Section | None:
    summary = definitions(content.summary)
    return Section("model", "The model", summary) if summary else None


def _learning(content: ImageReportContent) -> Section | None:
    return curves(content.history, "bits per dimension")


def _made(content: ImageReportContent) -> Section | None:
    made = definitions(content.made)
    return Section("made", "How it was made", made) if made else None


SECTIONS: tuple[Callable[[ImageReportContent], Section | None], ...] = (
    _model,
    bits,
    _learning,
    samples,
    neighbours,
    paths,
    directions,
    outside,
    round_trip,
    _made,
)


def write_image_report(content: ImageReportContent, path: str | os.PathLike[str]) -> None:
    """Write a page that judges a model of images, as one HTML file that needs no network.

    Its sections: warnings in words, the model, bits per dimension, learning curves, samples at
    several temperatures, samples beside their nearest training images, paths between real images,
    directions between classes, images of other kinds, images to noise and back, and how the model
    was made. Those whose data are absent are left out.

    Args:
        content: what to show.
        path: of the file, which is written whole or not at all.

    Raises:
        MissingExtraError: plotly or Pillow is not installed.
        DataError, ShapeError: arrays that cannot be drawn.
        OSError: the file cannot be written.

    Example:
        >>> import numpy as np
        >>> from diffeo.report.images_page import ImageReportContent, write_image_report
        >>> scores = np.random.default_rng(0).normal(2.0, 0.1, 200)
        >>> write_image_report(ImageReportContent("A model", scores=scores), "images.html")
    """
    write_atomically(path, render_image_report(content).encode("utf-8"))


def render_image_report(content: ImageReportContent) -> str:
    """The page of ``write_image_report`` as text."""
    content.check()
    sections = [section for make in SECTIONS if (section := make(content)) is not None]
    warnings = [*content.warnings, *([] if content.held_out else [IN_SAMPLE])]
    return document(content.title, sections, warnings)
