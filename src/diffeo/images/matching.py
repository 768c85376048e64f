"""Images as a model takes them: of its size, its depth and its classes."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from diffeo.errors import DataError
from diffeo.images.image_data import ImageData
from diffeo.images.model import ImageModel
from diffeo.labels import class_names as names_of
from diffeo.labels import of_classes

__all__ = ["class_names", "contexts_of", "for_model", "in_words", "pixels_of"]


def class_names(data: ImageData) -> tuple[str, ...]:
    """The names of the classes, or their numbers; none of images without labels."""
    return names_of(data.labels, data.names)


def for_model(model: ImageModel, data: ImageData) -> ImageData:
    """The images with the depth of the model, and labels as it counts its classes.

    Classes that both name are matched by their names.

    Raises:
        DataError: images of another size or of fewer bits, or a class that the model does not
            have.
    """
    if data.image_shape != model.event_shape:
        raise DataError(
            f"{data.source} holds images of {in_words(data.image_shape)}, but this model is of "
            f"images of {in_words(model.event_shape)}"
        )
    if data.bits < model.bits:
        raise DataError(
            f"{data.source} holds pixels of {data.bits} bits, but this model is of pixels of "
            f"{model.bits} bits; state the depth with bits={model.bits} if that is what they are"
        )
    data = data.quantized(model.bits)
    if data.labels is None or not model.classes:
        return data
    labels = of_classes(
        model.classes, data.labels, data.names, lambda i: f"{data.source}: image {i}"
    )
    return replace(data, labels=labels, names=model.classes)


def in_words(shape: tuple[int, ...]) -> str:
    """The size of images (C, H, W) in words."""
    channels, height, width = shape
    return f"{height} x {width} pixels and {channels} channel{'s' * (channels != 1)}"


def pixels_of(data: ImageData) -> Tensor:
    """The pixels as floats, which flows take."""
    return torch.from_numpy(data.pixels.astype("float32"))


def contexts_of(model: ImageModel, data: ImageData) -> Tensor | None:
    """The labels as contexts; None for a model without classes.

    Raises:
        DataError: a model with classes, and images without labels.
    """
    return model.contexts_for(data.labels, f"the images of {data.source}")
