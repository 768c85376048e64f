"""Sizes of models of points and lengths of fits that two cores of a laptop can bear."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

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
        width = 2 * latent
        posterior = DiagonalNormal(latent, scale=_SCALE, context=width, hidden=(width,))
        embedding = MLP(latent, code, (code,))
        for network in (posterior.conditioner, embedding):
            _wake(network)
        points = Flow(splines.base, splines.transform, embedding, latent)
        return PointCloudFlow(
            PointEncoder(dim, width, encoder),
            posterior,
            points,
            NSF(latent, context=len(classes), layers=prior_layers, hidden=prior_hidden),
            count=count,
            drawn=drawn,
            classes=classes,
            normalised=normalised,
        )


def _wake(network: MLP | None) -> None:
    """Let a network start at random: where all start at zero, they teach each other nothing."""
    assert network is not None
    nn.init.kaiming_uniform_(network.output.weight, a=5**0.5)


def fit_options(clouds: int, given: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Epochs, batch size and KL warm-up for so many clouds; what is given wins.

    Example:
        >>> from diffeo.points.defaults import fit_options
        >>> fit_options(800)
        {'epochs': 250, 'batch_size': 16, 'lr': 0.002, 'kl_warmup': 2500}
    """
    options = {"epochs": _epochs(_CLOUDS, clouds), "batch_size": 16, "lr": 2e-3, **(given or {})}
    if options.get("objective") is None:
        # a fifth of all steps: the flow of points must learn to use the code before it costs
        steps = options["epochs"] * math.ceil(clouds / options["batch_size"])
        options.setdefault("kl_warmup", steps // 5)
    return options


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
