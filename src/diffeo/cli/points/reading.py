"""The clouds that arguments mean."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from diffeo.points import PointData

__all__ = ["read_clouds"]


def read_clouds(path: str, *, split: str | None, labels: str | None) -> PointData:
    """The clouds of a path, with labels of another file, or another array, where one is named.

    Raises:
        DataError: whatever is wrong with them.
        ValueError: a split that does not exist.
    """
    from dataclasses import replace

    from diffeo.cli.labels import is_file, read_labels
    from diffeo.points import load_clouds
    from diffeo.reading.array_files import Archive

    data = load_clouds(path, split=split)
    if labels is None:
        return data
    if is_file(labels):
        found, names = read_labels(labels)
    else:
        found, names = Archive(Path(path)).read(labels), None
    return replace(data, labels=found, names=names)
