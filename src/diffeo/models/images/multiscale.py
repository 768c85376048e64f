"""What multi-scale flows of images share: scales that are squeezed, moved and factored out."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from diffeo.bases import StandardNormal
from diffeo.checks import check_count
from diffeo.errors import ShapeError
from diffeo.flow import Flow
from diffeo.models.images.marginals import channel_marginals
from diffeo.nets import ResidualConvNet, StandardizeContext, ZeroConv
from diffeo.transform import Transform
from diffeo.transforms import ImageCoupling, Inverse, Reshape, Sequential, Split, Squeeze
from diffeo.transforms.images.coupling import Mask
from diffeo.transforms.images.shapes import check_image
from diffeo.univariates import Affine
from diffeo.univariates.univariate import Univariate

__all__ = ["ImageShape", "MultiScaleFlow", "Steps", "residual_couplings"]

ImageShape = tuple[int, int, int]
# the layers of a scale from base to data, for images of a shape
Steps = Callable[[ImageShape], list[Transform]]


class MultiScaleFlow(Flow):
    """A flow of images at several scales, from a vector of standard normal noise.

    Next to the data, each channel becomes normal by a spline that ``fit`` sets by its quantiles.
    Then, at each scale, from data to noise: some layers; 2 x 2 blocks of pixels become channels;
    more layers; half of the channels are factored out, normal given the other half, which goes on
    to the next scale. The last scale keeps all.

    Args:
        image_shape: (C, H, W).
        scales: number of scales.
        fine: the layers of a scale before its pixels are squeezed.
        coarse: those after it.
        context: width of the context; it is standardised before the layers see it.
        seed: seed of the initial weights; None draws from torch's global generator.
        reversible: recompute activations in backward.
    """

    def __init__(
        self,
        image_shape: ImageShape,
        *,
        scales: int,
        fine: Steps,
        coarse: Steps,
        context: int,
        seed: int | None,
        reversible: bool,
    ) -> None:
        name = type(self).__name__
        shape = check_image(name, image_shape)
        if context < 0:
            raise ShapeError(f"{name}: context must be a width >= 0, got {context}")
        _check_scales(name, shape, scales)
        # a seed must not disturb the caller's random state
        with torch.random.fork_rng(devices=[], enabled=seed is not None):
            if seed is not None:
                torch.manual_seed(seed)
            inner = _scale(shape, scales, fine, coarse, reversible)
        transform = Sequential(inner, *channel_marginals(shape))
        super().__init__(
            StandardNormal(math.prod(shape)),
            transform,
            StandardizeContext(context) if context else None,
            context,
        )


def _check_scales(name: str, shape: ImageShape, scales: int) -> None:
    most = 0
    while all(side % 2 ** (most + 1) == 0 for side in shape[1:]):
        most += 1
    if not most:
        raise ShapeError(
            f"{name}: images of {shape[1]} x {shape[2]} cannot be halved; pad or crop them to even "
            f"sides, or take a TarFlow, whose patches need only divide them"
        )
    if isinstance(scales, bool) or not isinstance(scales, int) or not 1 <= scales <= most:
        raise ShapeError(
            f"{name}: scales must be a whole number from 1 to {most}, since images of "
            f"{shape[1]} x {shape[2]} can be halved {most} times, got {scales!r}"
        )


def _scale(
    shape: ImageShape, scales: int, fine: Steps, coarse: Steps, reversible: bool
) -> Sequential:
    """From a vector of noise to images of a shape, which ``scales`` scales are to make."""
    squeeze = Squeeze(shape)
    channels, height, width = squeeze.out_shape
    start: list[Transform]
    if scales == 1:
        start = [Reshape((math.prod(shape),), squeeze.out_shape)]
    else:
        kept = channels // 2
        inner = _scale((kept, height, width), scales - 1, fine, coarse, reversible)
        start = [Split(inner, channels - kept), _prior((channels, height, width))]
    return Sequential(
        *start,
        *coarse((channels, height, width)),
        Inverse(squeeze),
        *fine(shape),
        reversible=reversible,
    )


def _prior(shape: ImageShape) -> Transform:
    """The learned normal of the channels that are factored out, given the others."""
    channels = shape[0]
    kept = channels // 2
    network = ZeroConv(kept, Affine.num_params * (channels - kept))
    return ImageCoupling(shape, Affine(), conditioner=network)


def residual_couplings(
    count: int,
    univariate: Univariate,
    mask: Mask,
    *,
    after: Steps,
    context: int,
    hidden: int,
    **network: Any,
) -> Steps:
    """Couplings of a mask, flipped in turn, each with the layers ``after`` on its data's side.

    Args:
        count: how many.
        univariate: their scalar map.
        mask: "channels" or "checkerboard".
        after: the layers behind each.
        context: width of the context.
        hidden: channels of the ``ResidualConvNet`` of each coupling.
        **network: its other arguments.
    """
    check_count("couplings", count)

    def layers(shape: ImageShape) -> list[Transform]:
        found: list[Transform] = []
        for i in range(count):
            flip = i % 2 == 1
            seen, moved = _halves(shape[0], mask, flip)
            outputs = univariate.num_params * moved
            conditioner = ResidualConvNet(seen, outputs, hidden, context=context, **network)
            found.append(
                ImageCoupling(
                    shape,
                    univariate,
                    mask=mask,
                    flip=flip,
                    context=context,
                    conditioner=conditioner,
                )
            )
            found += after(shape)
        return found

    return layers


def _halves(channels: int, mask: Mask, flip: bool) -> tuple[int, int]:
    """How many channels a coupling sees, and how many it predicts parameters for."""
    if mask == "checkerboard":
        return channels, channels
    half = channels // 2
    return (channels - half, half) if flip else (half, channels - half)
