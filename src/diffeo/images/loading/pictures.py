"""Folders of PNG and JPEG files, whose sub-folders are classes."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from diffeo.errors import DataError, import_extra
from diffeo.images.image_data import Array, ImageData, level_dtype
from diffeo.reading.splits import choose, split_called

__all__ = ["SUFFIXES", "read_pictures"]

SUFFIXES = (".png", ".jpg", ".jpeg")
OTHERS = (".bmp", ".gif", ".pgm", ".ppm", ".tif", ".tiff", ".webp")
# of a mode: channels and bits; what else Pillow knows would lose something on the way
MODES = {"1": (1, 1), "L": (1, 8), "I;16": (1, 16), "RGB": (3, 8), "RGBA": (4, 8)}
NAMED = 5  # files that a message names


@dataclass(frozen=True)
class Kind:
    """What the images of a set must have in common."""

    width: int
    height: int
    mode: str

    def __str__(self) -> str:
        return f"{self.width}x{self.height} {self.mode}"


def read_pictures(folder: Path, split: str | None, bits: int | None) -> ImageData:
    """The images of a folder, in the order of their names; see ``load_images``.

    Raises:
        DataError: no images, images of several sizes or modes, or damaged ones; they are named.
        MissingExtraError: Pillow is not installed.
    """
    folder = _part(folder, split)
    folders = _folders(folder)
    paths = _pictures(folder)
    if paths and folders:
        raise DataError(
            f"{folder} holds images (such as {paths[0].name}) beside folders (such as "
            f"{folders[0].name}); either sub-folders are the classes, or there are none"
        )
    if not folders:
        return _read(paths, None, None, folder, bits)
    of_classes = [_of_class(each) for each in folders]
    labels = np.repeat(np.arange(len(folders)), [len(each) for each in of_classes])
    names = tuple(each.name for each in folders)
    return _read([path for each in of_classes for path in each], labels, names, folder, bits)


def _part(folder: Path, split: str | None) -> Path:
    """The sub-folder of a split, where the sub-folders are those."""
    folders = _folders(folder)
    if folders and all(split_called(each.name) for each in folders):
        return choose({split_called(each.name): each for each in folders}, split, str(folder))
    return folder if split is None else choose({None: folder}, split, str(folder))


def _folders(folder: Path) -> list[Path]:
    hidden = (".", "__")
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith(hidden))


def _pictures(folder: Path) -> list[Path]:
    visible = sorted(p for p in folder.iterdir() if not p.name.startswith("."))
    other = [p for p in visible if p.suffix.lower() in OTHERS]
    if other:
        raise DataError(
            f"{other[0]}: images are read from {', '.join(SUFFIXES)} files; convert "
            f"{_count(other)} to PNG, or move them elsewhere"
        )
    return [p for p in visible if p.suffix.lower() in SUFFIXES]


def _of_class(folder: Path) -> list[Path]:
    inner = _folders(folder)
    if inner:
        raise DataError(
            f"{folder} is the folder of a class and holds the folder {inner[0].name!r}; put the "
            f"images of a class into one folder"
        )
    paths = _pictures(folder)
    if not paths:
        raise DataError(f"{folder} is the folder of a class and holds no PNG or JPEG files")
    return paths


def _read(
    paths: Sequence[Path],
    labels: Array | None,
    names: tuple[str, ...] | None,
    folder: Path,
    bits: int | None,
) -> ImageData:
    if not paths:
        raise DataError(f"{folder} holds no images: no PNG or JPEG files, and no known format")
    pillow = import_extra("PIL.Image", "images")
    kind = _common_kind([_attempt(_kind, pillow, path) for path in paths], paths, folder)
    channels, depth = MODES[kind.mode]
    bits = bits or depth
    shape = (len(paths), channels, kind.height, kind.width)
    pixels = np.empty(shape, level_dtype(max(bits, depth)))
    problems = {}
    for i, path in enumerate(paths):
        levels = _attempt(_levels, pillow, path)
        if isinstance(levels, str):
            problems[path] = levels
        elif levels.max() >= 2**bits:
            problems[path] = f"holds {levels.max()}, outside 0 to {2**bits - 1} (bits={bits})"
        else:
            pixels[i] = levels.reshape(kind.height, kind.width, channels).transpose(2, 0, 1)
    _raise(problems, folder)
    return ImageData(pixels.astype(level_dtype(bits), copy=False), labels, bits, str(folder), names)


def _attempt(read: Any, pillow: Any, path: Path) -> Any:
    """What ``read`` finds in a file, or in words why it finds nothing."""
    try:
        with warnings.catch_warnings():
            # Pillow warns of pictures so large that they seem to be an attack
            warnings.simplefilter("error", pillow.DecompressionBombWarning)
            with pillow.open(path, formats=("PNG", "JPEG")) as image:
                return read(image)
    except pillow.UnidentifiedImageError:
        return "is no PNG or JPEG file, or a damaged one"
    # Pillow's decoders let all of these through for damaged files
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError) as error:
        return f"is damaged ({error})"
    except (pillow.DecompressionBombError, pillow.DecompressionBombWarning) as error:
        return f"is too large ({error})"


def _mode(image: Any) -> str:
    # a palette is only another way to store colours
    if image.mode == "P":
        return "RGBA" if "transparency" in image.info else "RGB"
    deep = any(str(tile[3]).endswith(";16B") for tile in image.tile)
    return f"16-bit {image.mode}" if deep and image.mode != "I;16" else str(image.mode)


def _kind(image: Any) -> Kind:
    width, height = image.size
    return Kind(width, height, _mode(image))


def _levels(image: Any) -> Array:
    return np.asarray(image.convert(_mode(image)) if image.mode == "P" else image).astype(
        np.uint16 if image.mode == "I;16" else np.uint8
    )


def _common_kind(kinds: Sequence[Kind | str], paths: Sequence[Path], folder: Path) -> Kind:
    """The one kind of all files, or an error that names those that differ."""
    _raise({p: k for p, k in zip(paths, kinds, strict=True) if isinstance(k, str)}, folder)
    found = Counter(k for k in kinds if isinstance(k, Kind))
    (usual, count), *rest = found.most_common()
    if usual.mode not in MODES:
        raise DataError(
            f"{paths[kinds.index(usual)]} is of the mode {usual.mode} ({count} images); modes that "
            f"are read without loss are {', '.join(MODES)}: convert them"
        )
    if rest:
        odd = [(p, k) for p, k in zip(paths, kinds, strict=True) if k != usual]
        some = ", ".join(f"{p.relative_to(folder)} ({k})" for p, k in odd[:NAMED])
        raise DataError(
            f"{folder} holds images of several sizes or modes: {count} are {usual}, {len(odd)} "
            f"are not: {some}{_more(len(odd))}; crop, resize or convert them to one"
        )
    return usual


def _raise(problems: dict[Path, str], folder: Path) -> None:
    if problems:
        some = ", ".join(f"{p.relative_to(folder)} {why}" for p, why in [*problems.items()][:NAMED])
        raise DataError(
            f"{folder}: {len(problems)} images cannot be used: {some}{_more(len(problems))}; "
            f"replace or remove them"
        )


def _more(count: int) -> str:
    return f" and {count - NAMED} more" if count > NAMED else ""


def _count(paths: Sequence[Path]) -> str:
    return "it" if len(paths) == 1 else f"these {len(paths)} files"
