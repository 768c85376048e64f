"""New clouds of a model, and the files they go to."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from diffeo.checks import check_count
from diffeo.density import as_generator
from diffeo.errors import DataError
from diffeo.flow import Flow
from diffeo.labels import Labels
from diffeo.points.files.saving import save_clouds
from diffeo.points.model import PointCloudFlow
from diffeo.points.pictures import picture_clouds, view_clouds
from diffeo.points.point_data import PointData

__all__ = ["draw_clouds", "write_clouds"]


def draw_clouds(
    model: PointCloudFlow | Flow,
    count: int,
    *,
    points: int | None = None,
    labels: Labels | Sequence[Any] | None = None,
    temperature: float = 1.0,
    seed: int | None = None,
) -> PointData:
    """New clouds: of the classes asked for, or of all in turn.

    Args:
        model: from ``fit_clouds``.
        count: clouds.
        points: of each; by default as many as in the fit.
        labels: (count,), numbers or names of classes, for a model of classes.
        temperature: of shapes; see ``PointCloudFlow.draw``.
        seed: of the draws.

    Raises:
        DataError: labels that are no classes, or that do not fit ``count``; a temperature for a
            model of one surface.
        ValueError: a count below 1, or a temperature below 0.

    Example:
        >>> from diffeo.points import draw_clouds, point_cloud_flow
        >>> draw_clouds(point_cloud_flow(3, latent=4), 2, points=100, seed=0).sizes
        [100, 100]
    """
    check_count("count", count)
    if not isinstance(model, PointCloudFlow):
        if temperature != 1:
            raise DataError("a flow of one surface has no shapes, and so no temperature of them")
        if labels is not None:
            raise DataError("a flow of one surface has no classes, so it takes no labels")
        size = points or int(model.record.get("clouds", {}).get("points", 2048))
        flat = model.sample(count * check_count("points", size), seed=seed)
        return PointData(list(flat.cpu().numpy().reshape(count, size, -1)))
    if not model.classes:
        if labels is not None:
            raise DataError("this model has no classes, so it takes no labels")
        drawn = model.draw(count, points, temperature=temperature, seed=seed)
        return PointData(list(drawn.cpu().numpy()))
    given = np.arange(count) % len(model.classes) if labels is None else np.asarray(labels)
    contexts = model.context_of(given)
    if len(contexts) != count:
        raise DataError(f"{count} clouds need as many labels, got {len(contexts)}")
    generator = as_generator(seed, model.like.device)
    drawn = torch.cat(
        [model.draw(1, points, c, temperature=temperature, seed=generator) for c in contexts]
    )
    return PointData(
        list(drawn.cpu().numpy()), contexts.argmax(1).cpu().numpy(), names=model.classes
    )


def write_clouds(path: str | os.PathLike[str], data: PointData, *, up: str = "z") -> None:
    """Write clouds to .npz, .npy, .ply, .xyz, a folder, a picture (.png) or a page (.html).

    Args:
        path: its suffix says which; without one, a folder of .ply files is made.
        data: the clouds.
        up: the upright axis of pictures and pages.

    Raises:
        As ``save_clouds``, ``picture_clouds`` and ``view_clouds``.

    Example:
        >>> import numpy as np
        >>> from diffeo.points import PointData, write_clouds
        >>> write_clouds("drawn.npz", PointData([np.zeros((5, 3))]))
    """
    suffix = Path(path).suffix.lower()
    if suffix == ".png":
        picture_clouds(path, data, up=up)
    elif suffix in (".html", ".htm"):
        view_clouds(path, data, up=up)
    else:
        save_clouds(path, data)
