"""A model of images, fitted."""

from __future__ import annotations

import argparse
import warnings
from typing import TYPE_CHECKING, Any

from diffeo.cli.images.arguments import read_images

if TYPE_CHECKING:
    from diffeo.cli.fit_options import Options
    from diffeo.images import ImageData, ImageModel

__all__ = ["fit_image_model"]


def fit_image_model(name: str, arguments: argparse.Namespace, options: Options) -> ImageModel:
    """The model of that name, fitted to the images of the arguments.

    Raises:
        DataError: images that cannot be used, or options that the model does not take.
        ShapeError, ValueError: sizes that do not fit the images.
    """
    from diffeo.images import fit_images
    from diffeo.images.defaults import default_model

    loading: dict[str, Any] = {
        "split": arguments.split,
        "bits": arguments.bits,
        "labels": arguments.labels,
        "reduce_to": arguments.reduce_to,
    }
    data = read_images(arguments.data, **loading)
    if arguments.bits is None:
        _warn_of_dark(data)
    name = default_model(data.image_shape) if name == "auto" else name
    if not arguments.quiet:
        _say(name, data, arguments.unconditional)
    model = fit_images(
        data,
        model=name,
        conditional=not arguments.unconditional,
        dequantization=arguments.dequantization or "uniform",
        flips=arguments.flips,
        options=options.model,
        **{"seed": 0, **options.fit},
    )
    # the same images are found again for a report, and others are read to the same depth
    depth = data.bits if arguments.reduce_to is None else arguments.bits
    model.record["images"]["load"] = {**loading, "path": arguments.data, "bits": depth}
    return model


def _warn_of_dark(data: ImageData) -> None:
    """Warn of pixels that seem to have fewer bits than they are taken to have."""
    from diffeo.errors import DataWarning

    top = int(data.pixels.max())
    if data.bits > 1 and top < 2 ** (data.bits - 1):
        warnings.warn(
            f"{data.source}: no pixel is above {top}, and {data.bits} bits reach to "
            f"{2**data.bits - 1}; if that is their depth, say --bits {max(1, top.bit_length())}",
            DataWarning,
            stacklevel=2,
        )


def _say(name: str, data: ImageData, unconditional: bool) -> None:
    from diffeo.images.matching import class_names, in_words

    classes = () if unconditional else class_names(data)
    given = f", given their class (one of {len(classes)})" if classes else ""
    print(f"model {name}: fitting {len(data):,} images of {in_words(data.image_shape)}", end="")
    print(f", {data.bits} bits{given}", flush=True)
