"""Clouds as a model takes them: of its dimension, its size and its classes."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from diffeo.errors import DataError
from diffeo.flow import Flow
from diffeo.labels import of_classes
from diffeo.points.model import PointCloudFlow
from diffeo.points.point_data import PointData

__all__ = ["contexts_of", "for_model"]


def for_model(model: PointCloudFlow | Flow, data: PointData) -> PointData:
    """The clouds normalised if the model's were, and labels as it counts its classes.

    Raises:
        DataError: clouds of other dimension, or of a class that the model does not have.
    """
    if data.dim != model.event_shape[-1]:
        raise DataError(
            f"{data.source} holds clouds of {data.dim} coordinates, but this model is of "
            f"{model.event_shape[-1]}"
        )
    if not isinstance(model, PointCloudFlow):
        return data
    data = data.normalised() if model.normalised else data
    if data.labels is None or not model.classes:
        return replace(data, labels=None, names=None)
    labels = of_classes(
        model.classes, data.labels, data.names, lambda i: f"{data.source}: {data.called(i)}"
    )
    return replace(data, labels=labels, names=model.classes)


def contexts_of(model: PointCloudFlow, data: PointData) -> Tensor | None:
    """The labels as contexts; None for a model without classes.

    Raises:
        DataError: a model with classes, and clouds without labels.
    """
    return model.contexts_for(data.labels, f"the clouds of {data.source}")
