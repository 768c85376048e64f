"""Layers of images; the number of features is that of the channels of 4 x 4 pixels."""

from __future__ import annotations

from typing import Any

import torch

import diffeo
from diffeo import transforms, univariates
from diffeo.images import ImageModel
from diffeo.nets import ConvNet, ResidualConvNet
from registry.entry import BOTH, Entry

PIXELS = (4, 4)


def _coupling(channels: int, context: int, **options: Any) -> transforms.ImageCoupling:
    return transforms.ImageCoupling(
        (channels, *PIXELS),
        options.pop("univariate", univariates.Affine()),
        context=context,
        hidden=8,
        **options,
    )


def _attentive(channels: int, context: int) -> transforms.ImageCoupling:
    univariate = univariates.MixtureOfLogistics(3)
    conditioner = ResidualConvNet(
        channels, univariate.num_params * channels, 8, 1, gated=True, attention=2, context=context
    )
    return _coupling(
        channels, context, univariate=univariate, mask="checkerboard", conditioner=conditioner
    )


def _actnorm(channels: int, context: int) -> transforms.Pixelwise:
    layer = transforms.Pixelwise(transforms.ActNorm(channels), *PIXELS)
    layer.initialize(3 + 2 * torch.randn(50, channels, *PIXELS))
    return layer


def _factored(channels: int, context: int) -> transforms.Sequential:
    """Two scales: what goes on is squeezed again."""
    fine = (4 * channels, 2, 2)
    half = 2 * channels
    coarse = transforms.Squeeze((half, 2, 2))
    inner = transforms.Sequential(
        transforms.Reshape((4 * half,), coarse.out_shape),
        transforms.ImageCoupling(
            coarse.out_shape, univariates.Affine(), hidden=8, context=context, flip=True
        ),
        transforms.Inverse(coarse),
    )
    return transforms.Sequential(
        transforms.Split(inner, half),
        transforms.ImageCoupling(fine, univariates.Affine(), hidden=8, context=context),
        transforms.Inverse(transforms.Squeeze((channels, *PIXELS))),
    )


TRANSFORMS: list[Entry] = [
    Entry(
        "Squeeze",
        (transforms.Squeeze,),
        lambda d, c: transforms.Squeeze((d, *PIXELS)),
        features=(1, 3),
    ),
    Entry(
        "Reshape",
        (transforms.Reshape,),
        lambda d, c: transforms.Reshape((d, *PIXELS), (16 * d,)),
        features=(1, 3),
    ),
    Entry(
        "Pixelwise LU",
        (transforms.Pixelwise,),
        lambda d, c: transforms.Pixelwise(transforms.LU(d), *PIXELS),
        features=(1, 3),
        identity=True,
    ),
    Entry("Pixelwise ActNorm of data", (transforms.Pixelwise,), _actnorm, features=(1, 3)),
    Entry(
        "Pixelwise coupling",
        (transforms.Pixelwise,),
        lambda d, c: transforms.Pixelwise(
            transforms.Coupling(d, univariates.Affine(), hidden=(8,), context=c), *PIXELS
        ),
        features=(3,),
        contexts=BOTH,
        identity=True,
    ),
    Entry(
        "ImageCoupling of channels",
        (transforms.ImageCoupling, ConvNet),
        _coupling,
        features=(2, 3),
        contexts=BOTH,
        identity=True,
    ),
    Entry(
        "ImageCoupling of named channels",
        (transforms.ImageCoupling,),
        lambda d, c: _coupling(d, c, mask=[True, False, True], flip=True),
        features=(3,),
        contexts=BOTH,
        identity=True,
    ),
    Entry(
        "ImageCoupling of a checkerboard",
        (transforms.ImageCoupling,),
        lambda d, c: _coupling(d, c, mask="checkerboard", flip=c > 0),
        features=(1, 3),
        contexts=BOTH,
        identity=True,
    ),
    Entry(
        "ImageCoupling of splines",
        (transforms.ImageCoupling,),
        lambda d, c: _coupling(d, c, univariate=univariates.RationalQuadraticSpline(4)),
        features=(3,),
        contexts=BOTH,
        identity=True,
    ),
    Entry(
        "ImageCoupling of logistics, with attention",
        (transforms.ImageCoupling, ResidualConvNet),
        _attentive,
        features=(1,),
        contexts=BOTH,
        tolerance=1e-6,
    ),
    Entry(
        "Split",
        (transforms.Split,),
        _factored,
        features=(1, 3),
        contexts=BOTH,
    ),
]
SMALL: dict[str, Any] = {"scales": 2, "hidden": 8, "seed": 0}
DENSITIES: list[Entry] = [
    Entry(
        "Glow",
        (diffeo.Glow,),
        lambda d, c: diffeo.Glow((d, *PIXELS), context=c, steps=2, **SMALL),
        features=(1, 3),
        contexts=BOTH,
        quick=(1,),
    ),
    Entry(
        "Glow of splines",
        (diffeo.Glow,),
        lambda d, c: diffeo.Glow(
            (d, *PIXELS), steps=2, univariate=univariates.RationalQuadraticSpline(4), **SMALL
        ),
        features=(1,),
    ),
    Entry(
        "ImageRealNVP",
        (diffeo.ImageRealNVP,),
        lambda d, c: diffeo.ImageRealNVP((d, *PIXELS), context=c, couplings=2, blocks=1, **SMALL),
        features=(1, 3),
        contexts=BOTH,
        quick=(1,),
    ),
    Entry(
        "FlowPlusPlus",
        (diffeo.FlowPlusPlus,),
        lambda d, c: diffeo.FlowPlusPlus(
            (d, *PIXELS), context=c, couplings=1, blocks=1, components=3, heads=2, **SMALL
        ),
        features=(1, 3),
        contexts=BOTH,
        quick=(1,),
        tolerance=1e-6,
    ),
    Entry(
        "ImageModel",
        (ImageModel,),
        lambda d, c: ImageModel(
            diffeo.Glow((d, 2, 2), context=c, scales=1, steps=1, hidden=8, seed=0),
            bits=1,
            dequantization="variational" if c else "uniform",
        ),
        features=(1,),
        contexts=BOTH,
    ),
]
