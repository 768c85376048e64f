"""A model of images, fitted."""

from __future__ import annotations

import argparse
import warnings
from typing import TYPE_CHECKING, Any

from diffeo.cli.image_arguments import add_images, read_images, refuse

if TYPE_CHECKING:
    from diffeo.cli.fit_options import Options
    from diffeo.images import ImageData, ImageModel

__all__ = ["IMAGE_FLAGS", "add_image_flags", "fit_image_model", "means_images"]

IMAGE_FLAGS = ("reduce_to", "unconditional", "dequantization", "flips")
_TABLE_FLAGS = ("columns", "context", "schema")


def add_image_flags(parser: argparse.ArgumentParser) -> None:
    """The flags of a fit to images."""
    from diffeo.cli.arguments import count

    group = add_images(parser)
    group.add_argument(
        "--reduce-to", type=count, metavar="N", help="keep only the first N bits of every pixel"
    )
    group.add_argument(
        "--unconditional",
        action="store_true",
        help="pass over the labels; with them, the model is conditional on the class",
    )
    group.add_argument(
        "--dequantization",
        choices=("uniform", "variational"),
        help="noise that makes pixels real numbers: uniform, or a learned one (uniform)",
    )
    group.add_argument("--flips", action="store_true", help="mirror every second image in training")


def means_images(name: str, arguments: argparse.Namespace) -> bool:
    """Whether a model of images is to be fitted.

    Raises:
        DataError: a model of tables and data that are images.
    """
    from diffeo.cli.choosing import AUTO
    from diffeo.errors import DataError
    from diffeo.images.defaults import IMAGE_MODEL_NAMES
    from diffeo.images.loading.detect import holds_images

    if name in IMAGE_MODEL_NAMES:
        return True
    images = holds_images(arguments.data)
    if images and name != AUTO:
        raise DataError(
            f"{arguments.data} holds images, and the model {name!r} is of tables; models of images "
            f"are {', '.join(IMAGE_MODEL_NAMES)}"
        )
    return images


def fit_image_model(name: str, arguments: argparse.Namespace, options: Options) -> ImageModel:
    """The model of that name, fitted to the images of the arguments.

    Raises:
        DataError: images that cannot be used, or options that the model does not take.
        ShapeError, ValueError: sizes that do not fit the images.
    """
    from diffeo.cli.choosing import AUTO
    from diffeo.images import fit_images
    from diffeo.images.defaults import default_model

    refuse(arguments, _TABLE_FLAGS, "for tables, and these are images")
    loading: dict[str, Any] = {
        "split": arguments.split,
        "bits": arguments.bits,
        "labels": arguments.labels,
        "reduce_to": arguments.reduce_to,
    }
    data = read_images(arguments.data, **loading)
    if arguments.bits is None:
        _warn_of_dark(data)
    name = default_model(data.image_shape) if name == AUTO else name
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
