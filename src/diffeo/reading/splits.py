"""Train, validation and test: what files call them, and which one is wanted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from diffeo.errors import DataError
from diffeo.reading.array_files import Archive

__all__ = ["SPLITS", "choose", "parts_called", "split_called"]

# the names of the parts, and what else files call them
SPLITS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val"),
    "test": ("test", "testing", "t10k"),
}

T = TypeVar("T")


def split_called(word: str) -> str | None:
    """The part that ``word`` stands for; None for another word."""
    return next((split for split, words in SPLITS.items() if word.lower() in words), None)


def parts_called(archive: Archive, words: tuple[str, ...]) -> dict[str | None, str]:
    """The arrays called like ``words``, alone or with the name of a part: x, x_train, test_x.

    Raises:
        DataError: two arrays of one part.
    """
    found: dict[str | None, str] = {}
    for name in archive.shapes:
        first, _, second = name.lower().partition("_")
        if first in words and not second:
            part = None
        elif first in words and split_called(second):
            part = split_called(second)
        elif second in words and split_called(first):
            part = split_called(first)
        else:
            continue
        if part in found:
            raise DataError(
                f"{archive.path} holds {found[part]!r} and {name!r}: which is meant? Leave one"
            )
        found[part] = name
    return found


def choose(
    found: Mapping[str | None, T], split: str | None, source: str, what: str = "images"
) -> T:
    """The part of ``found`` that is wanted; its key None stands for data that are not split.

    Args:
        found: the parts.
        split: what the wanted one is called.
        source: where they come from, for messages.
        what: what they are, for messages.

    Raises:
        ValueError: ``split`` is no name of a part.
        DataError: no such part, or several and none is named.
    """
    wanted = None if split is None else split_called(split)
    if split is not None and wanted is None:
        raise ValueError(f"split must be one of {', '.join(map(repr, SPLITS))}, got {split!r}")
    if wanted in found:
        return found[wanted]
    there = [key for key in found if key is not None]
    if wanted is None and len(there) == 1:
        return found[there[0]]
    if wanted is None:
        ways = " or ".join(f"split={part!r}" for part in there)
        raise DataError(f"{source} holds {' and '.join(there)} {what}; pass {ways}")
    if not there:
        raise DataError(
            f"{source} is not split into train and test, so that split={split!r} names nothing; "
            f"leave split out, and divide the {what} with split_{what}"
        )
    raise DataError(f"{source} holds {' and '.join(there)} {what}, but no {wanted} {what}")
