"""Draws of images as whole numbers, by class."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from diffeo.density import Seed, as_generator
from diffeo.errors import DataError
from diffeo.files import replacing
from diffeo.images.grids import Picture, image_grid, write_png
from diffeo.images.image_data import ImageData, Levels, level_dtype
from diffeo.images.model import ImageModel

__all__ = ["IMAGE_FILES", "draw_images", "rows_of_classes", "write_images"]

IMAGE_FILES = (".png", ".npz", ".npy")
# images at a time
_BATCH = 256


def draw_images(
    model: ImageModel,
    count: int,
    *,
    label: int | str | None = None,
    temperature: float = 1.0,
    seed: Seed = 0,
) -> ImageData:
    """Images drawn from a model; of all its classes, as evenly as the number allows.

    Args:
        model: the model.
        count: of images.
        label: the only class to draw, by number or name.
        temperature: scale of the noise; see ``ImageModel.draw``.
        seed: of the draws.

    Raises:
        DataError: a class that the model does not have.
        ValueError: a temperature that is none.

    Example:
        >>> import diffeo
        >>> from diffeo.images import ImageModel
        >>> from diffeo.images.drawing import draw_images
        >>> model = ImageModel(diffeo.Glow((1, 8, 8), scales=2, steps=1, hidden=8))
        >>> draw_images(model, 9, temperature=0.7).image_shape
        (1, 8, 8)
    """
    labels = None
    if label is not None:
        model.context_of(label)
        number = model.classes.index(label) if isinstance(label, str) else label
        labels = np.full(count, number)
    elif model.classes:
        labels = np.sort(np.arange(count) % len(model.classes))
    generator = as_generator(seed, model.like.device)
    parts = [np.empty((0, *model.event_shape), np.float32)]
    for start in range(0, count, _BATCH):
        if labels is None:
            size = min(_BATCH, count - start)
            drawn = model.draw(size, temperature=temperature, seed=generator)
        else:
            context = model.context_of(labels[start : start + _BATCH])
            drawn = model.draw(1, context, temperature=temperature, seed=generator)[0]
        parts.append(drawn.cpu().numpy())
    pixels = np.concatenate(parts).astype(level_dtype(model.bits))
    return ImageData(pixels, labels, model.bits, "the draws", model.classes or None)


def rows_of_classes(data: ImageData) -> Picture:
    """A grid: a row for each class that is there, or as square as can be without classes."""
    if data.labels is None or len(set(data.labels.tolist())) == 1:
        return image_grid(data.pixels, bits=data.bits)
    rows = [data.pixels[data.labels == k] for k in np.unique(data.labels)]
    return grid_of(rows, data.bits)


def grid_of(rows: Sequence[Levels], bits: int) -> Picture:
    """A grid of rows that need not be of one length."""
    longest = max(len(row) for row in rows)
    shape = rows[0].shape[1:]
    cells = np.full((len(rows), longest, *shape), 2**bits - 1, level_dtype(bits))
    for i, row in enumerate(rows):
        cells[i, : len(row)] = row
    return image_grid(cells.reshape(-1, *shape), columns=longest, bits=bits)


def write_images(path: str | os.PathLike[str], data: ImageData) -> None:
    """Write images: as one picture (.png), or as arrays (.npy, .npz) that ``load_images`` reads.

    Raises:
        DataError: another suffix.
        OSError: the file cannot be written.
        MissingExtraError: a picture, and Pillow is not installed.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in IMAGE_FILES:
        raise DataError(f"{path}: images are written to {', '.join(IMAGE_FILES)} files")
    if suffix == ".png":
        write_png(path, rows_of_classes(data))
        return
    pixels = data.pixels[:, 0] if data.image_shape[0] == 1 else data.pixels.transpose(0, 2, 3, 1)
    with replacing(path) as temporary, open(temporary, "wb") as file:
        if suffix == ".npy":
            np.save(file, pixels, allow_pickle=False)
            return
        labels = {} if data.labels is None else {"y": data.labels}
        np.savez_compressed(
            file, allow_pickle=False, x=pixels, scale=np.array(2**data.bits - 1), **labels
        )
