"""What a folder in a known format holds: for each part, how to read it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeAlias

from diffeo.errors import DataError
from diffeo.images.image_data import ImageData

__all__ = ["Parts", "numbered"]

# None for what is not split
Parts: TypeAlias = dict[str | None, Callable[[], ImageData]]


def numbered(paths: Iterable[Path], pattern: str) -> list[Path]:
    """The files whose names match, by the number in them.

    Raises:
        DataError: numbers that are not 1, 2, 3, ...; a file is missing then.
    """
    found = {int(m[1]): p for p in paths if (m := re.fullmatch(pattern, p.name))}
    order = sorted(found)
    if order != list(range(1, len(order) + 1)):
        missing = min(set(range(1, order[-1])) - set(order))
        near = found[order[0]]
        raise DataError(
            f"{near.parent} holds batches {', '.join(map(str, order))} (such as {near.name}) but "
            f"no batch {missing}; put all of them there"
        )
    return [found[i] for i in order]
