"""The clouds that arguments mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from diffeo.points import PointData

__all__ = ["read_clouds"]


def read_clouds(path: str, *, split: str | None, labels: str | None) -> PointData:
    """The clouds of a path, with the labels of another file where one is named.

    Raises:
        DataError: whatever is wrong with them.
        ValueError: a split that does not exist.
    """
    from dataclasses import replace

    from diffeo.cli.labels import read_labels
    from diffeo.points import load_clouds

    data = load_clouds(path, split=split)
    if labels is None:
        return data
    found, names = read_labels(labels)
    return replace(data, labels=found, names=names)
