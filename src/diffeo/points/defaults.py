"""Sizes of models of points and lengths of fits that two cores of a laptop can bear."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from diffeo.bases import DiagonalNormal
from diffeo.flow import Flow
from diffeo.models import NSF
from diffeo.nets import MLP
from diffeo.points.encoder import PointEncoder
from diffeo.points.model import PointCloudFlow

__all__ = ["fit_options", "point_cloud_flow", "surface_fit_options", "surface_flow"]

# of the posterior at the start: codes that are mostly noise teach the flow of points to ignore them
_SCALE = 0.1
# what a fit costs in all: clouds seen of a set of shapes, points seen of one surface
_CLOUDS, _POINTS = 200_000, 6_000_000
_FEWEST_EPOCHS, _MOST_EPOCHS = 20, 2000


def point_cloud_flow(
    dim: int,
    *,
    latent: int = 64,
    count: int = 1024,
    drawn: int | None = 512,
    layers: int = 4,
    hidden: Sequence[int] = (128, 128),
    bins: int = 16,
    code: int = 128,
    encoder: Sequence[int] = (64, 128, 256),
    prior_layers: int = 6,
    prior_hidden: Sequence[int] = (128, 128),
    classes: Sequence[str] = (),
    normalised: bool = False,
    seed: int | None = None,
) -> PointCloudFlow:
    """A ``PointCloudFlow`` of splines, of these sizes.

    Args:
        dim: coordinates of a point.
        latent: width of the code z of a shape.
        count, drawn, classes, normalised: of the ``PointCloudFlow``.
        layers, hidden, bins: of the flow of points, masked autoregressive splines.
        code: width of what a network makes of z for these.
        encoder: widths of the network of every point of the ``PointEncoder``.
        prior_layers, prior_hidden: of the flow of codes, spline couplings.
        seed: of the initial weights; None draws from torch's global generator.

    Raises:
        ShapeError, ValueError: sizes that do not fit.

    Example:
        >>> from diffeo.points import point_cloud_flow
        >>> point_cloud_flow(3, latent=4, classes=["chair", "sofa"]).event_shape
        (1024, 3)
    """
    # a seed must not disturb the caller's random state
    with torch.random.fork_rng(devices=[], enabled=seed is not None):
        if seed is not None:
            torch.manual_seed(seed)
        splines = NSF(
            dim, context=code, layers=layers, hidden=hidden, bins=bins, autoregressive=True
        )
        points = Flow(splines.base, splines.transform, MLP(latent, code, (code,)), latent)
        width = 2 * latent
        return PointCloudFlow(
            PointEncoder(dim, width, encoder, (256,)),
            DiagonalNormal(latent, scale=_SCALE, context=width, hidden=(width,)),
            points,
            NSF(latent, context=len(classes), layers=prior_layers, hidden=prior_hidden),
            count=count,
            drawn=drawn,
            classes=classes,
            normalised=normalised,
        )


def fit_options(clouds: int) -> dict[str, Any]:
    """Epochs and batch size for so many clouds.

    Example:
        >>> from diffeo.points.defaults import fit_options
        >>> fit_options(800)
        {'epochs': 250, 'batch_size': 16, 'lr': 0.001}
    """
    return {"epochs": _epochs(_CLOUDS, clouds), "batch_size": 16, "lr": 1e-3}


def surface_flow(
    dim: int,
    *,
    layers: int = 6,
    hidden: Sequence[int] = (128, 128),
    bins: int = 16,
    seed: int | None = None,
) -> Flow:
    """A flow of the points of one surface: masked autoregressive splines of these sizes.

    Args:
        dim: coordinates of a point.
        layers, hidden, bins: of the flow.
        seed: of the initial weights; None draws from torch's global generator.

    Raises:
        ShapeError, ValueError: sizes that do not fit.

    Example:
        >>> from diffeo.points import surface_flow
        >>> surface_flow(3, layers=2).event_shape
        (3,)
    """
    return NSF(dim, layers=layers, hidden=hidden, bins=bins, autoregressive=True, seed=seed)


def surface_fit_options(points: int) -> dict[str, Any]:
    """Epochs and batch size for a surface of so many points.

    Example:
        >>> from diffeo.points.defaults import surface_fit_options
        >>> surface_fit_options(20_000)
        {'epochs': 300, 'batch_size': 512, 'lr': 0.002}
    """
    return {"epochs": _epochs(_POINTS, points), "batch_size": 512, "lr": 2e-3}


def _epochs(wanted: int, rows: int) -> int:
    return min(max(round(wanted / max(rows, 1)), _FEWEST_EPOCHS), _MOST_EPOCHS)
