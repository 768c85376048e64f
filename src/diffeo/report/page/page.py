"""The page: one HTML file that needs nothing else."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Callable, Sequence
from importlib import resources

from diffeo.errors import import_extra
from diffeo.files import write_atomically
from diffeo.report.page.content import ReportContent
from diffeo.report.page.html import Section, text
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
    warnings: list[tuple[str | None, str]] = [(None, warning) for warning in content.warnings]
    if not content.held_out:
        warnings.append((None, IN_SAMPLE))
    warnings += [(section.anchor, said) for section in sections for said in section.warnings]
    body = "".join(
        [
            f"<h1>{text(content.title)}</h1>",
            _warnings(warnings),
            _contents(sections),
            "<noscript><p>The plots need JavaScript; words and tables do not.</p></noscript>",
            "<main>",
            *(_section(section) for section in sections),
            "</main>",
        ]
    )
    return _document(content.title, body)


def _warnings(warnings: Sequence[tuple[str | None, str]]) -> str:
    if not warnings:
        return (
            '<section class="warnings none" aria-labelledby="warnings">'
            '<h2 id="warnings">No warnings</h2><p>None of the checks below found a fault.</p>'
            "</section>"
        )
    items = "".join(
        f"<li>{text(words)}{'' if anchor is None else _more(anchor)}</li>"
        for anchor, words in warnings
    )
    return (
        '<section class="warnings some" aria-labelledby="warnings">'
        f'<h2 id="warnings">Warnings</h2><ul>{items}</ul></section>'
    )


def _more(anchor: str) -> str:
    return f' <a href="#{anchor}">More</a>'


def _contents(sections: Sequence[Section]) -> str:
    items = "".join(f'<li><a href="#{s.anchor}">{text(s.title)}</a></li>' for s in sections)
    return f'<nav aria-label="Contents"><ul>{items}</ul></nav>'


def _section(section: Section) -> str:
    heading = f"{section.anchor}-heading"
    return (
        f'<section id="{section.anchor}" aria-labelledby="{heading}">'
        f'<h2 id="{heading}">{text(section.title)}</h2>{section.html}</section>'
    )


def _document(title: str, body: str) -> str:
    scripts = [import_extra("plotly.offline", "report").get_plotlyjs(), _resource("page.js")]
    # only these two scripts may run, and nothing may be fetched, whatever the data hold
    hashes = " ".join(f"'sha256-{_digest(script)}'" for script in scripts)
    policy = (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:"
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{text(title)}</title><style>{_resource('page.css')}</style></head>"
        f"<body>{body}{''.join(f'<script>{script}</script>' for script in scripts)}</body></html>\n"
    )


def _resource(name: str) -> str:
    return (resources.files(__package__) / name).read_text("utf-8")


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
