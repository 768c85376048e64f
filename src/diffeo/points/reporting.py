"""What a report on a model of clouds shows, gathered from the model and clouds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from diffeo.flow import Flow
from diffeo.points.drawing import draw_clouds
from diffeo.points.judging import cloud_scores
from diffeo.points.matching import contexts_of, for_model
from diffeo.points.metrics import compare_sets, occupancy_divergence, surface_distances
from diffeo.points.model import PointCloudFlow
from diffeo.points.point_data import PointData
from diffeo.points.summary import point_summary

# the page is imported where it is made: whoever fits clouds need not wait for it
if TYPE_CHECKING:
    from diffeo.report.points_page import PointReportContent, ShownCloud

__all__ = ["point_report_content"]

# clouds that figures are taken from, those compared with samples, and the points of these
MOST_SCORED, COMPARED, POINTS = 500, 50, 512
# clouds shown in each section: a browser draws few scenes at a time
SAMPLES, STRANGE, PAIRS, STEPS = 4, 2, 1, 3


def point_report_content(
    model: PointCloudFlow | Flow,
    data: PointData,
    *,
    held_out: bool = True,
    title: str = "",
    made: Sequence[tuple[str, str]] = (),
    up: str = "z",
    seed: int = 0,
) -> PointReportContent:
    """What ``write_point_report`` shows of a model of clouds.

    Args:
        model: from ``fit_clouds``.
        data: clouds to judge it by, best those it was not fitted to.
        held_out: whether ``data`` were kept from the fit.
        title: of the page.
        made: pairs of label and value, how the model was made.
        up: the upright axis, "x", "y" or "z".
        seed: of draws and subsamples.

    Raises:
        DataError: clouds that are not of the model's dimension or classes.
        MissingExtraError: scipy is not installed.

    Example:
        >>> import numpy as np
        >>> from diffeo.points import fit_clouds, load_clouds, point_report_content
        >>> from diffeo.report.points_page import write_point_report
        >>> data = load_clouds(np.random.default_rng(0).normal(size=(30, 50, 3)))
        >>> small = {"latent": 2, "layers": 1, "hidden": (8,)}
        >>> model = fit_clouds(data.subset(slice(20)), options=small, epochs=1, progress=False)
        >>> content = point_report_content(model, data.subset(slice(20, 30)))
        >>> write_point_report(content, "points.html")
    """
    from diffeo.report.points_page import PointReportContent

    data = for_model(model, data)
    some = data.subset(_evenly(len(data), MOST_SCORED))
    scores = cloud_scores(model, some, seed=seed)
    parts = dict[str, Any](
        summary=point_summary(model),
        made=[*made, *_made(model)],
        history=_history(model),
        scores=scores,
        held_out=held_out,
    )
    title = title or f"Report: {type(model).__name__}"
    if not isinstance(model, PointCloudFlow):
        return PointReportContent(title, **parts, **_surface(model, some, up, seed))
    return PointReportContent(title, **parts, **_shapes(model, some, scores, up, seed))


def _surface(flow: Flow, data: PointData, up: str, seed: int) -> dict[str, Any]:
    """A sample beside the cloud, and how far it is from its surface."""
    cloud = data.clouds[0]
    drawn = draw_clouds(flow, 1, points=min(len(cloud), 5000), seed=seed).clouds[0]
    off = surface_distances(drawn, cloud)
    radius = float(np.linalg.norm(cloud - cloud.mean(0), axis=1).max())
    shares = ", ".join(f"{np.quantile(off, q) / radius:.2%}" for q in (0.5, 0.95))
    return {
        "samples": [_shown(cloud, "the cloud", up), _shown(drawn, "a sample", up)],
        "measures": [
            ("distance of samples to the surface, median and 95 %, of the radius", shares)
        ],
    }


def _shapes(
    model: PointCloudFlow, data: PointData, scores: Any, up: str, seed: int
) -> dict[str, Any]:
    drawn = draw_clouds(model, SAMPLES, seed=seed)
    strange = np.argsort(-scores, kind="stable")[:STRANGE]
    pairs = []
    for i in _evenly(len(data), PAIRS):
        (again,) = model.reconstruct([data.clouds[i]], seed=seed)
        pairs += [
            _shown(data.clouds[i], data.called(int(i)), up),
            _shown(again, "its reconstruction", up),
        ]
    return {
        "strange": [
            _shown(data.clouds[i], f"{data.called(int(i))}: {scores[i]:.3f} nats per point", up)
            for i in strange
        ],
        "samples": [_shown(c, _class_of(drawn, i), up) for i, c in enumerate(drawn.clouds)],
        "measures": _measures(model, data, seed),
        "pairs": pairs,
        "path": _path(model, data, up, seed),
    }


def _class_of(drawn: PointData, i: int) -> str:
    if drawn.labels is None or drawn.names is None:
        return "a sample"
    return f"a sample of {drawn.names[drawn.labels[i]]}"


def _measures(model: PointCloudFlow, data: PointData, seed: int) -> list[tuple[str, str]]:
    """How alike samples and clouds are, of which as many are taken at most."""
    if len(data) < 2:
        return []
    some = data.subset(_evenly(len(data), COMPARED))
    points = min(POINTS, *some.sizes)
    real = some.stacked(points, seed)
    drawn = draw_clouds(model, len(some), points=points, labels=some.labels, seed=seed)
    found = compare_sets(drawn.clouds, real)
    return [
        ("clouds and samples compared", f"{len(some)} of each, {points} points"),
        ("1-NNA by Chamfer distance (50 % is best)", f"{found.accuracy:.1%}"),
        ("coverage", f"{found.coverage:.1%}"),
        ("minimum matching distance", f"{found.matching:.4g}"),
        ("divergence of occupied space, bits", f"{occupancy_divergence(drawn.clouds, real):.3f}"),
    ]


def _path(model: PointCloudFlow, data: PointData, up: str, seed: int) -> list[ShownCloud]:
    """Between two clouds of one class."""
    labels = np.zeros(len(data)) if data.labels is None else data.labels
    at = np.flatnonzero(labels == labels[0])
    if len(at) < 2 or (model.classes and data.labels is None):
        return []
    ends = data.subset(at[[0, -1]])
    contexts = contexts_of(model, ends)
    first, last = ends.clouds
    clouds = model.interpolate(
        first, last, STEPS, context=None if contexts is None else contexts[0], seed=seed
    )
    return [_shown(c, f"step {i + 1} of {STEPS}", up) for i, c in enumerate(clouds)]


def _shown(cloud: Any, caption: str, up: str) -> ShownCloud:
    from diffeo.report.points_page import ShownCloud

    return ShownCloud(np.asarray(cloud), caption, up)


def _evenly(count: int, most: int) -> Any:
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.int64))


def _history(model: PointCloudFlow | Flow) -> list[dict[str, Any]]:
    """The learning curve in nats per point."""
    points = model.count if isinstance(model, PointCloudFlow) else 1
    return [
        {
            key: value if key == "epoch" or value is None else value / points
            for key, value in entry.items()
            if key in ("epoch", "train", "validation")
        }
        for entry in model.record.get("history", [])
    ]


def _made(model: PointCloudFlow | Flow) -> list[tuple[str, str]]:
    record = model.record
    options = record.get("options", {})
    found = [(name, str(options[name])) for name in ("seed", "batch_size", "lr") if name in options]
    if "seconds" in record:
        found.append(("seconds of the fit", f"{record['seconds']:.1f}"))
    return [*found, *((name, str(v)) for name, v in record.get("versions", {}).items())]
