"""The page: one HTML file that needs nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable

from diffeo.files import write_atomically
from diffeo.report.page.content import ReportContent
from diffeo.report.page.document import document
from diffeo.report.page.html import Section
from diffeo.report.page.sections.anomalies import anomalies
from diffeo.report.page.sections.calibration import calibration
from diffeo.report.page.sections.columns import columns
from diffeo.report.page.sections.data import data
from diffeo.report.page.sections.learning import learning
from diffeo.report.page.sections.likelihood import likelihood
from diffeo.report.page.sections.model import made, model
from diffeo.report.page.sections.pairs import pairs
from diffeo.report.page.sections.privacy import privacy
from diffeo.report.page.sections.tails import tails
from diffeo.report.page.sections.two_sample import two_sample
from diffeo.report.page.source import Source

__all__ = ["render_report", "write_report"]

SECTIONS: tuple[Callable[[Source], Section | None], ...] = (
    model,
    learning,
    likelihood,
    columns,
    pairs,
    calibration,
    two_sample,
    tails,
    privacy,
    anomalies,
    data,
    made,
)
IN_SAMPLE = (
    "The model is judged on rows it was fitted to, so everything below looks better than it is. "
    "Keep some rows from the fit and report on those."
)


def write_report(content: ReportContent, path: str | os.PathLike[str]) -> None:
    """Write a page that judges a model, as one HTML file that needs no network.

    Its sections: warnings in words, the model, learning curves, held-out log-likelihood beside
    baselines, data against samples by column and by pair, calibration, a classifier two-sample
    test, tails, the distance to the closest record, anomalies, and how it was made. Those whose
    data are absent are left out.

    Args:
        content: what to show.
        path: of the file, which is written whole or not at all.

    Raises:
        MissingExtraError: plotly, pandas or scikit-learn is not installed.
        DataError: frames that do not have the columns, or have no rows.
        ShapeError: arrays that do not fit together.
        OSError: the file cannot be written.

    Example:
        >>> import numpy, pandas
        >>> from diffeo.report.page import ReportColumn, ReportContent, write_report
        >>> rng = numpy.random.default_rng(0)
        >>> rows, drawn = (pandas.DataFrame({"x": rng.normal(size=200)}) for _ in range(2))
        >>> columns = [ReportColumn("x")]
        >>> write_report(ReportContent("A normal", columns, data=rows, samples=drawn), "x.html")
    """
    write_atomically(path, render_report(content).encode("utf-8"))


def render_report(content: ReportContent) -> str:
    """The page of ``write_report`` as text."""
    source = Source.of(content)
    sections = [section for make in SECTIONS if (section := make(source)) is not None]
    warnings = [*content.warnings, *([] if content.held_out else [IN_SAMPLE])]
    return document(content.title, sections, warnings)
