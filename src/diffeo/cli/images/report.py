"""A page that judges a model of images."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from diffeo.cli.images.arguments import again, read_images
from diffeo.cli.refound import same_data

if TYPE_CHECKING:
    from diffeo.images import ImageData, ImageModel

__all__ = ["report_images"]


def report_images(model: ImageModel, arguments: argparse.Namespace) -> None:
    """Write the page.

    Raises:
        DataError: images that are not the model's, or none to judge it by.
    """
    from diffeo.images import image_report_content
    from diffeo.report.images_page import write_image_report

    data, training, held_out = _images(model, arguments)
    against = {}
    if arguments.against:
        unlabelled = argparse.Namespace(**{**vars(arguments), "labels": None})
        against[Path(arguments.against).name] = again(model, unlabelled, arguments.against)
    content = image_report_content(
        model,
        data,
        training=training,
        held_out=held_out,
        against=against,
        title=arguments.title or f"Report on {Path(arguments.model).stem}",
        made=[("model file", arguments.model), ("images", data.source)],
        seed=arguments.seed,
    )
    write_image_report(content, arguments.output)


def _images(
    model: ImageModel, arguments: argparse.Namespace
) -> tuple[ImageData, ImageData | None, bool]:
    """Images to judge by, those of the fit, and whether the first were kept from it."""
    from diffeo.errors import DataError
    from diffeo.images.fitting import held_out_images

    known = model.record.get("images", {}).get("load")
    path = arguments.data or (known or {}).get("path")
    if path is None:
        raise DataError("the model does not say what it was fitted to; name images to judge it by")
    if not arguments.data and not Path(path).exists():
        raise DataError(
            f"{path}, the images that the model was fitted to, is not there; name images to judge "
            f"it by"
        )
    if known is not None and same_data(known, path, arguments):
        train, held_out = held_out_images(model, read_images(**known))
        return (train, None, False) if held_out is None else (held_out, train, True)
    data = again(model, arguments, path)
    if arguments.training:
        return data, again(model, arguments, arguments.training), True
    if known is None or not Path(known["path"]).exists():
        return data, None, True
    return data, held_out_images(model, read_images(**known))[0], True
