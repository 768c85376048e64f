"""New images from a model."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from diffeo.images import ImageModel

__all__ = ["sample_images"]


def sample_images(model: ImageModel, arguments: argparse.Namespace) -> int:
    """Draw images and write them; how many.

    Raises:
        DataError: a class that the model does not have.
        ValueError: a temperature that is none.
    """
    from diffeo.cli.output import check_output
    from diffeo.images.drawing import IMAGE_FILES, draw_images, write_images

    check_output(arguments.output, IMAGE_FILES, [arguments.model])
    data = draw_images(
        model,
        arguments.n,
        label=None if arguments.label is None else _class(model, arguments.label),
        temperature=1.0 if arguments.temperature is None else arguments.temperature,
        seed=arguments.seed,
    )
    write_images(arguments.output, data)
    return len(data)


def _class(model: ImageModel, text: str) -> int:
    """The number of the class that is meant.

    Raises:
        DataError: it is none of the model's.
    """
    from diffeo.cli.images.summary import classes_in_words
    from diffeo.errors import DataError

    if not model.classes:
        raise DataError("this model has no classes; leave out --class")
    if text in model.classes:
        return model.classes.index(text)
    if text.isdecimal() and int(text) < len(model.classes):
        return int(text)
    raise DataError(
        f"--class {text}: the classes of this model are {classes_in_words(model)}, numbered from "
        f"0 to {len(model.classes) - 1}"
    )
