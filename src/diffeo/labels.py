"""Labels of data: checked, by name or number, and as the context of a model of classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from diffeo.errors import DataError

__all__ = [
    "Given",
    "Labels",
    "OfClasses",
    "check_labels",
    "class_names",
    "first_index",
    "of_classes",
]

Array: TypeAlias = npt.NDArray[Any]
Labels: TypeAlias = npt.NDArray[np.int64]
# what a user calls classes by
Given: TypeAlias = int | str | Sequence[int] | Sequence[str] | Array | Tensor


class OfClasses:
    """A model conditional on classes, one column of its context for each.

    Attributes:
        classes: their names; empty for none.
    """

    classes: tuple[str, ...]
    like: Tensor

    def context_of(self, labels: Given) -> Tensor:
        """Labels as contexts, one column a class.

        Args:
            labels: one label or several, numbers from 0 or names of classes.

        Returns:
            (classes,) of one label, (n, classes) of n.

        Raises:
            DataError: a label that no class has, or a model without classes.
        """
        if not self.classes:
            raise DataError("this model has no classes, so it takes no labels")
        one = isinstance(labels, int | str)
        each = [labels] if one else np.asarray(labels).tolist()
        numbers = torch.tensor([self._number(label, i) for i, label in enumerate(each)])
        hot = torch.nn.functional.one_hot(numbers.long(), len(self.classes)).to(self.like)
        return hot[0] if one else hot

    def contexts_for(self, labels: Labels | None, what: str) -> Tensor | None:
        """The contexts of data with these labels; None for a model without classes.

        Raises:
            DataError: a model with classes, and data without labels.
        """
        if not self.classes:
            return None
        if labels is None:
            raise DataError(
                f"this model is of {len(self.classes)} classes, but {what} have no labels"
            )
        return self.context_of(labels)

    def _number(self, label: int | str, i: int) -> int:
        if isinstance(label, str) and label in self.classes:
            return self.classes.index(label)
        if isinstance(label, int) and 0 <= label < len(self.classes):
            return label
        raise DataError(
            f"label {i} is {label!r}, but the classes of this model are "
            f"{', '.join(self.classes)}, numbered from 0 to {len(self.classes) - 1}"
        )


def first_index(bad: npt.NDArray[np.bool_]) -> tuple[int, ...]:
    """Where the first True stands."""
    return tuple(int(i) for i in np.unravel_index(int(bad.argmax()), bad.shape))


def check_labels(
    labels: Array, count: int, source: str, names: tuple[str, ...] | None = None, *, what: str
) -> Labels:
    """Classes as int64, one for each of ``count`` of what they label.

    Raises:
        DataError: another number of them, or one that is no class; its index is named.
    """
    labels = np.asarray(labels)
    if labels.shape != (count,):
        raise DataError(
            f"{source}: labels have the shape ({count},), one for each {what}, got {labels.shape}"
        )
    if labels.dtype.kind not in "iubf":
        raise DataError(f"{source}: labels are whole numbers from 0, got {labels.dtype}")
    top = np.iinfo(np.int64).max if names is None else len(names) - 1
    bad = ~((labels >= 0) & (labels <= top) & (labels % 1 == 0)) if labels.dtype != bool else None
    if bad is not None and bad.any():
        (i,) = first_index(bad)
        classes = "" if names is None else f" to {top} ({len(names)} classes)"
        raise DataError(
            f"{source}: {what} {i} has the label {labels[i]}; labels are whole numbers from 0"
            + classes
        )
    return labels.astype(np.int64)


def class_names(labels: Labels | None, names: tuple[str, ...] | None) -> tuple[str, ...]:
    """The names of the classes, or their numbers; none without labels."""
    if labels is None:
        return ()
    return names or tuple(str(k) for k in range(int(labels.max()) + 1))


def of_classes(
    classes: tuple[str, ...],
    labels: Labels,
    names: tuple[str, ...] | None,
    called: Callable[[int], str],
) -> Labels:
    """Labels as a model counts its classes; those that both name are matched by their names.

    Args:
        classes: of the model.
        labels: (n,), of the data.
        names: of the data's classes; None where they are counted as the model does.
        called: what the i-th of the data is called in messages.

    Raises:
        DataError: a class that the model does not have.
    """
    if names is None:
        names = (*classes, *map(str, range(len(classes), int(labels.max()) + 1)))
    absent = [k for k in sorted(set(labels.tolist())) if names[k] not in classes]
    if absent:
        i = int((labels == absent[0]).argmax())
        raise DataError(
            f"{called(i)} is of the class {names[absent[0]]}, but the classes of this model are "
            f"{', '.join(classes)}"
        )
    places = {name: k for k, name in enumerate(classes)}
    return np.array([places.get(name, -1) for name in names])[labels]
