"""Pages of clouds of points: each one HTML file that needs nothing else."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

import numpy as np

from diffeo.errors import DataError
from diffeo.files import write_atomically
from diffeo.report.page.document import document
from diffeo.report.page.html import Section, definitions, paragraphs, text
from diffeo.report.page.plots import DATA, figure, plot
from diffeo.report.page.sections.learning import curves
from diffeo.report.page.words import count, number
from diffeo.report.points_page.clouds import turnables
from diffeo.report.points_page.content import PointReportContent, ShownCloud

__all__ = ["render_point_report", "render_viewer", "write_point_report", "write_viewer"]

# a browser keeps so many drawings in three dimensions at a time, at most
MOST_CLOUDS = 12
IN_SAMPLE = (
    "The model is judged on clouds it was fitted to, so its nats per point look better than they "
    "are. Keep some clouds from the fit and report on those."
)
TURN = "Drag a cloud to turn it; the wheel brings it nearer."


def write_viewer(
    clouds: Sequence[ShownCloud], path: str | os.PathLike[str], *, title: str = "Clouds"
) -> None:
    """Write a page of clouds that can be turned, as one HTML file that needs no network.

    Args:
        clouds: those to show, up to 12.
        path: of the file, which is written whole or not at all.
        title: of the page.

    Raises:
        MissingExtraError: plotly is not installed.
        DataError, ShapeError: no clouds, too many, or some that cannot be drawn.
        OSError: the file cannot be written.

    Example:
        >>> import numpy as np
        >>> from diffeo.report.points_page import ShownCloud, write_viewer
        >>> write_viewer([ShownCloud(np.eye(3), "a triangle")], "clouds.html")
    """
    write_atomically(path, render_viewer(clouds, title=title).encode("utf-8"))


def render_viewer(clouds: Sequence[ShownCloud], *, title: str = "Clouds") -> str:
    """The page of ``write_viewer`` as text."""
    if not 0 < len(clouds) <= MOST_CLOUDS:
        raise DataError(f"a page shows 1 to {MOST_CLOUDS} clouds, got {len(clouds)}")
    for shown in clouds:
        shown.check()
    words = f"{count(len(clouds))} cloud{'s' * (len(clouds) != 1)} of points"
    section = Section("clouds", words, paragraphs(_how(clouds)) + turnables(clouds))
    return document(title, [section], quiet=True)


def write_point_report(content: PointReportContent, path: str | os.PathLike[str]) -> None:
    """Write a page that judges a model of clouds, as one HTML file that needs no network.

    Its sections: the model, nats per point and the strangest clouds, learning curves, samples that
    can be turned, how alike samples and data are, reconstructions, a path between two clouds, and
    how the model was made. Those whose data are absent are left out.

    Args:
        content: what to show.
        path: of the file, which is written whole or not at all.

    Raises:
        MissingExtraError: plotly is not installed.
        DataError, ShapeError: arrays that cannot be drawn.
        OSError: the file cannot be written.

    Example:
        >>> import numpy as np
        >>> from diffeo.report.points_page import PointReportContent, write_point_report
        >>> scores = np.random.default_rng(0).normal(-1.0, 0.1, 200)
        >>> write_point_report(PointReportContent("A model", scores=scores), "points.html")
    """
    write_atomically(path, render_point_report(content).encode("utf-8"))


def render_point_report(content: PointReportContent) -> str:
    """The page of ``write_point_report`` as text."""
    content.check()
    sections = [section for make in SECTIONS if (section := make(content)) is not None]
    return document(content.title, sections, [] if content.held_out else [IN_SAMPLE])


def _how(clouds: Sequence[ShownCloud]) -> str:
    return TURN if any(shown.points.shape[1] == 3 for shown in clouds) else ""


def _model(content: PointReportContent) -> Section | None:
    summary = definitions(content.summary)
    return Section("model", "The model", summary) if summary else None


def _scores(content: PointReportContent) -> Section | None:
    scores = content.scores
    if scores is None:
        return None
    which = "held-out clouds" if content.held_out else "clouds, which the model was fitted to"
    error = scores.std(ddof=1) / len(scores) ** 0.5 if len(scores) > 1 else float("nan")
    counts, edges = np.histogram(scores, bins=min(40, max(5, len(scores) // 8)))
    bars = {
        "type": "bar",
        "x": (edges[:-1] + edges[1:]) / 2,
        "y": counts,
        "width": np.diff(edges),
        "marker": {"color": DATA},
        "hovertemplate": "%{x:.3f} nats: %{y} clouds<extra></extra>",
    }
    body = (
        paragraphs(
            f"-log p of {count(len(scores))} {which}, in nats for each of their points; lower is "
            f"better, and clouds with the highest are the strangest to the model."
        )
        + f'<p class="figure">{text(number(float(scores.mean())))} '
        f"<small>± {text(number(float(error), 2))} nats per point</small></p>"
        + plot(
            figure(bars, x="nats per point", y="clouds", showlegend=False),
            f"Histogram of nats per point, from {scores.min():.3f} to {scores.max():.3f}",
            wide=True,
        )
        + turnables(content.strange)
    )
    return Section("scores", "Nats per point", body)


def _learning(content: PointReportContent) -> Section | None:
    return curves(content.history, "nats per point")


def _samples(content: PointReportContent) -> Section | None:
    if not content.samples:
        return None
    measures = definitions(content.measures)
    body = paragraphs(_how(content.samples)) + turnables(content.samples) + measures
    return Section("samples", "Samples", body)


def _pairs(content: PointReportContent) -> Section | None:
    if not content.pairs:
        return None
    words = "A cloud, and other points of the shape that the model sees in it."
    return Section("pairs", "Reconstructions", paragraphs(words) + turnables(content.pairs))


def _path(content: PointReportContent) -> Section | None:
    if not content.path:
        return None
    words = "From one cloud to another, along an arc of the noise of the shapes."
    return Section("path", "Between two clouds", paragraphs(words) + turnables(content.path))


def _made(content: PointReportContent) -> Section | None:
    made = definitions(content.made)
    return Section("made", "How it was made", made) if made else None


SECTIONS: tuple[Callable[[PointReportContent], Section | None], ...] = (
    _model,
    _scores,
    _learning,
    _samples,
    _pairs,
    _path,
    _made,
)
