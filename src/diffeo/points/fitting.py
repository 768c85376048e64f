"""From clouds to a fitted model of them, in one call."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from diffeo.errors import DataError
from diffeo.estimates import mean_and_error
from diffeo.flow import Flow
from diffeo.labels import class_names
from diffeo.points.defaults import (
    fit_options,
    point_cloud_flow,
    surface_fit_options,
    surface_flow,
)
from diffeo.points.judging import cloud_scores
from diffeo.points.matching import contexts_of, for_model
from diffeo.points.model import PointCloudFlow
from diffeo.points.point_data import PointData
from diffeo.points.splitting import split_clouds

__all__ = ["fit_clouds", "held_out_clouds"]

# points of a cloud in a fit, unless more are asked for
_MOST_POINTS = 2048
_NOT_OPTIONS = {"dim", "count", "classes", "normalised", "seed"}


def fit_clouds(
    data: PointData,
    *,
    points: int | None = None,
    conditional: bool = True,
    normalise: bool = False,
    options: Mapping[str, Any] | None = None,
    seed: int = 0,
    validation: float | None = 0.1,
    **fit: Any,
) -> PointCloudFlow | Flow:
    """Fit a model to clouds, conditional on their classes if they have labels.

    Of many clouds it is a ``PointCloudFlow``, of a single one a flow of its points: a density on
    the surface that they were taken from, and a sampler of it.

    Sizes and length of the fit follow from the data where they are not given
    (``diffeo.points.defaults``). Samples come in the units of the data, unless ``normalise`` gives
    every cloud its own. The record of the model holds, under "clouds", where they come from, how
    they were split, and nats per point of both parts.

    Args:
        data: the clouds; a part of them (of a single one, of its points) is held out.
        points: of a cloud in the fit, into which random ones are chosen; by default the median of
            the sizes, up to 2,048.
        conditional: whether labels, if there are any, are conditioned on.
        normalise: bring every cloud to centre 0 and radius 1 first, for sets of different scale.
        options: keywords of ``point_cloud_flow`` (of ``diffeo.NSF`` for a single cloud); they win
            over the defaults.
        seed: of weights, split and training.
        validation: share that is held out, of every class; None for none.
        **fit: further arguments of ``Model.fit``.

    Raises:
        DataError: an option that the model does not have.
        ShapeError, ValueError: sizes that do not fit.

    Example:
        >>> import numpy as np
        >>> from diffeo.points import fit_clouds, load_clouds
        >>> data = load_clouds(np.random.default_rng(0).normal(size=(20, 50, 3)))
        >>> small = {"latent": 2, "layers": 1, "hidden": (8,)}
        >>> model = fit_clouds(data, options=small, epochs=1, progress=False)
        >>> model.draw(4, points=200, seed=0).shape
        torch.Size([4, 200, 3])
    """
    given = dict(options or {})
    if len(data) == 1:
        return _fit_surface(data, normalise, given, seed, validation, fit)
    count = points or min(_MOST_POINTS, int(np.median(data.sizes)))
    labelled = conditional and data.labels is not None
    _check_options(given, point_cloud_flow)
    model = point_cloud_flow(
        data.dim,
        count=count,
        classes=class_names(data.labels, data.names) if labelled else (),
        normalised=normalise,
        seed=seed,
        **given,
    )
    whole = for_model(model, data)
    train, held_out = split_clouds(whole, validation, seed) if validation else (whole, None)
    model.fit(
        train.stacked(count, seed),
        context=contexts_of(model, train),
        validation=None
        if held_out is None
        else (held_out.stacked(count, seed), contexts_of(model, held_out)),
        seed=seed,
        **fit_options(len(train), fit),
    )
    figures = {} if held_out is None else _figures(cloud_scores(model, held_out, seed=seed))
    _record(model, data, validation, seed, count, figures)
    return model


def _fit_surface(
    data: PointData,
    normalise: bool,
    options: dict[str, Any],
    seed: int,
    validation: float | None,
    fit: dict[str, Any],
) -> Flow:
    """A flow of the points of one cloud."""
    if normalise:
        data = data.normalised()
    _check_options(options, surface_flow)
    flow = surface_flow(data.dim, seed=seed, **options)
    chosen = {**surface_fit_options(data.sizes[0]), **fit}
    flow.fit(data.clouds[0], seed=seed, validation=validation, **chosen)
    best = _best(flow.record).get("validation")
    figures = {} if best is None else {"held_out_nats": best}
    _record(flow, data, validation, seed, 1, figures)
    return flow


def _check_options(given: Mapping[str, Any], build: Any) -> None:
    known = set(inspect.signature(build).parameters) - _NOT_OPTIONS
    foreign = [key for key in given if key not in known]
    if foreign:
        raise DataError(
            f"the model has no option {foreign[0]!r}; it has {', '.join(sorted(known))}"
        )


def _best(record: Mapping[str, Any]) -> dict[str, Any]:
    """The history's entry of the epoch whose weights were kept."""
    found: dict[str, Any] = next(
        (e for e in record["history"] if e["epoch"] == record["best_epoch"]), {}
    )
    return found


def _figures(scores: Any) -> dict[str, Any]:
    mean, error = mean_and_error(scores)
    return {"held_out_nats": mean, "held_out_error": None if math.isnan(error) else error}


def _record(
    model: PointCloudFlow | Flow,
    data: PointData,
    validation: float | None,
    seed: int,
    count: int,
    figures: Mapping[str, Any],
) -> None:
    """What the fit was, with figures in nats per point."""
    train = _best(model.record).get("train")
    model.record["clouds"] = {
        "source": data.source,
        "clouds": len(data),
        "points": count if len(data) > 1 else data.sizes[0],
        "validation": validation,
        "seed": seed,
        **({} if train is None else {"train_nats": train / count}),
        **figures,
    }


def held_out_clouds(
    model: PointCloudFlow | Flow, data: PointData
) -> tuple[PointData, PointData | None]:
    """The clouds of a fit as it split them: those trained on, and those held out.

    Of a model of one cloud it was points that were held out, and all of the cloud is given.

    Args:
        model: fitted by ``fit_clouds``.
        data: the clouds that it was fitted to.

    Raises:
        DataError: a model that was not fitted by ``fit_clouds``, or other clouds.
    """
    record = model.record.get("clouds")
    if record is None:
        raise DataError("this model does not say how its clouds were split; it has no such record")
    data = for_model(model, data)
    if len(data) != record["clouds"]:
        raise DataError(
            f"{data.source} holds {len(data)} clouds, but the model was fitted to "
            f"{record['clouds']}: these are others"
        )
    if not record["validation"] or not isinstance(model, PointCloudFlow):
        return data, None
    return split_clouds(data, record["validation"], record["seed"])
