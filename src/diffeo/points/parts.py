"""Whether encoder, posterior, flow of points and prior fit together."""

from __future__ import annotations

import torch
from torch import nn

from diffeo.density import Density
from diffeo.errors import ShapeError
from diffeo.flow import Flow

__all__ = ["check_parts"]

NAME = "PointCloudFlow"


def check_parts(encoder: nn.Module, flow: Density, points: Flow, prior: Flow, classes: int) -> None:
    """Raise unless the parts of a ``PointCloudFlow`` fit together; both that do not are named.

    Raises:
        ShapeError: widths that do not fit.
        ValueError: a posterior without samples that carry gradients, or bounds in place of
            densities.
    """
    for part in (points, prior):
        if not isinstance(part, Flow):
            raise ShapeError(f"{NAME}: points and prior are flows, got {type(part).__name__}")
    if len(points.event_shape) != 1 or len(flow.event_shape) != 1:
        raise ShapeError(
            f"{NAME}: points and codes are vectors, but the flow of points has events of shape "
            f"{points.event_shape}, the posterior of {flow.event_shape}"
        )
    (latent,) = flow.event_shape
    if points.context != latent:
        raise ShapeError(
            f"{NAME}: the flow of points is given a code of width {latent}, the posterior's, but "
            f"has context={points.context}"
        )
    if prior.event_shape != (latent,):
        raise ShapeError(
            f"{NAME}: the posterior has codes of width {latent}, the prior events of shape "
            f"{prior.event_shape}"
        )
    if prior.context != classes:
        raise ShapeError(
            f"{NAME}: {classes} classes need a prior with context={classes}, but this "
            f"{type(prior).__name__} has context={prior.context}"
        )
    if not flow.has_rsample or "bound" in (flow.exactness, points.exactness, prior.exactness):
        raise ValueError(
            f"{NAME}: the posterior needs samples with gradients, and all parts log-densities that "
            f"are no bounds"
        )
    _check_encoder(encoder, flow, points.event_shape[0])


def _check_encoder(encoder: nn.Module, flow: Density, dim: int) -> None:
    like = next(encoder.parameters(), flow.like)
    x = torch.zeros(2, 5, dim, dtype=like.dtype, device=like.device)
    was = encoder.training
    try:
        with torch.no_grad():
            code = encoder.eval()(x)
    except Exception as error:
        # a user's network may fail in any way
        raise ShapeError(
            f"{NAME}: the encoder cannot read clouds of shape (2, 5, {dim}): {error}"
        ) from error
    finally:
        encoder.train(was)
    if code.shape != (2, flow.context):
        raise ShapeError(
            f"{NAME}: the posterior reads a context of width {flow.context}, but the encoder gives "
            f"{tuple(code.shape)} for two clouds; it must be (2, {flow.context})"
        )
