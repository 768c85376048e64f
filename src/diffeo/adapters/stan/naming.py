"""Stan's flat names, such as "P.1.2", as shapes and back."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from diffeo.errors import TargetError

__all__ = ["shapes_of"]


def shapes_of(flat: Iterable[str]) -> dict[str, tuple[int, ...]]:
    """For each variable its shape as declared: () for a scalar, (2, 3) for a 2 x 3 matrix.

    Args:
        flat: names in Stan's order: indices from 1, the first of them running fastest.

    Raises:
        TargetError: variables that are not arrays of reals, as complex numbers and tuples.
    """
    indices: dict[str, list[list[int]]] = {}
    for whole in flat:
        name, *index = whole.replace(":", ".").split(".")
        if not all(part.isdecimal() for part in index):
            raise TargetError(
                f"the Stan variable {name!r} is complex or a tuple; only arrays of reals are "
                f"supported: declare its parts as variables of their own"
            )
        indices.setdefault(name, []).append([int(part) for part in index])
    return {name: _shape(name, found) for name, found in indices.items()}


def _shape(name: str, found: list[list[int]]) -> tuple[int, ...]:
    shape = tuple(max(column) for column in zip(*found, strict=True))
    whole = itertools.product(*(range(1, size + 1) for size in reversed(shape)))
    if [index[::-1] for index in found] != [list(index) for index in whole]:
        raise TargetError(
            f"the Stan variable {name!r} is not an array of reals; only those are supported"
        )
    return shape
