"""The pictures of a report: samples, neighbours, paths and directions."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from diffeo.arcs import arc
from diffeo.images.drawing import draw_images, grid_of, rows_of_classes
from diffeo.images.grids import image_grid
from diffeo.images.image_data import ImageData, Levels
from diffeo.images.latent import decode, dequantized, encode, levels_of
from diffeo.images.matching import contexts_of
from diffeo.images.model import ImageModel
from diffeo.images.probes import nearest
from diffeo.images.splitting import evenly

if TYPE_CHECKING:
    from diffeo.report.images_page import Neighbours, RoundTrip, Shown

__all__ = [
    "attribute_directions",
    "interpolations",
    "neighbours",
    "round_trip",
    "sample_grids",
]

TEMPERATURES = (0.6, 0.7, 0.8, 0.9, 1.0)
# samples in a grid, samples compared with training images, and how many of these are shown
GRID, COMPARED, PAIRS = 40, 200, 10
PATHS, STEPS = 6, 9
# classes compared with each other, images whose noise makes a mean, and steps of the difference
DIRECTIONS, AVERAGED, AMOUNTS = 4, 400, (-0.5, 0.0, 0.5, 1.0, 1.5)


def sample_grids(model: ImageModel, seed: int) -> list[Shown]:
    """A grid of samples at each temperature, from the same noise."""
    from diffeo.report.images_page import Shown

    count = max(GRID, min(len(model.classes), 20) * 4)
    rows = ", a row for each class" if len(model.classes) > 1 else ""
    return [
        Shown(
            rows_of_classes(draw_images(model, count, temperature=t, seed=seed)),
            f"{count} samples at temperature {t}{rows}",
            f"temperature {t}",
        )
        for t in TEMPERATURES
    ]


def neighbours(
    model: ImageModel, training: ImageData, data: ImageData, held_out: bool, seed: int
) -> Neighbours:
    """Samples beside their nearest training image, with distances."""
    from diffeo.report.images_page import Neighbours, Shown

    drawn = draw_images(model, COMPARED, seed=seed).pixels
    at, distances = nearest(drawn, training.pixels)
    # the nearest of all first: if any is a copy, it is among these
    first = np.argsort(distances, kind="stable")[:PAIRS]
    usual = nearest(evenly(data, COMPARED).pixels, training.pixels)[1] if held_out else None
    shown = Shown(
        grid_of([drawn[first], training.pixels[at[first]]], model.bits),
        f"Two rows: the {len(first)} samples that come nearest to a training image, and below each "
        f"the training image",
        f"above: the {len(first)} of {COMPARED} samples nearest to a training image; below: that "
        f"image",
    )
    return Neighbours(shown, distances, usual, len(training))


def interpolations(model: ImageModel, data: ImageData, seed: int) -> list[Shown]:
    """Rows from one real image to another of its class."""
    from diffeo.report.images_page import Shown

    pairs = _pairs(data, bool(model.classes), seed)
    if not len(pairs):
        return []
    ends = data.subset(pairs.reshape(-1))
    context = contexts_of(model, ends)
    z = encode(model, dequantized(model, ends, seed), context)
    points = arc(z[::2], z[1::2], STEPS)
    given = None if context is None else context[::2].repeat_interleave(STEPS, 0)
    images = levels_of(model, decode(model, points.flatten(0, 1), given), given)
    # the ends are the real images themselves
    images[::STEPS], images[STEPS - 1 :: STEPS] = ends.pixels[::2], ends.pixels[1::2]
    same = ", of the same class" if model.classes else ""
    alt = f"{len(pairs)} rows of {STEPS} images, from one real image to another{same}"
    return [Shown(image_grid(images, columns=STEPS, bits=model.bits), alt)]


def _pairs(data: ImageData, within: bool, seed: int) -> Levels:
    """Indices (n, 2) of different images, of one class each if ``within``."""
    order = np.random.default_rng(seed).permutation(len(data))
    groups = [order]
    if within and data.labels is not None:
        groups = [order[data.labels[order] == k] for k in np.unique(data.labels)]
    groups = [group for group in groups if len(group) > 1]
    if len(groups) == 1:
        group = groups[0][: 2 * PATHS]
        return group[: len(group) // 2 * 2].reshape(-1, 2)
    return np.array([group[:2] for group in groups[:PATHS]]).reshape(-1, 2)


def attribute_directions(model: ImageModel, data: ImageData, seed: int) -> list[Shown]:
    """Images with the mean difference of two classes in their noise, for some pairs of classes."""
    from diffeo.report.images_page import Shown

    if data.labels is None or len(np.unique(data.labels)) < 2:
        return []
    some = evenly(data, AVERAGED)
    assert some.labels is not None
    labels, context = some.labels, contexts_of(model, some)
    z = encode(model, dequantized(model, some, seed), context)
    there = np.unique(labels)
    found = []
    for a, b in list(itertools.pairwise(there))[::2][:DIRECTIONS]:
        start = np.flatnonzero(labels == a)[:3]
        difference = z[labels == b].mean(0) - z[labels == a].mean(0)
        moved = torch.stack([z[start] + t * difference for t in AMOUNTS], 1)
        given = None if context is None else context[start].repeat_interleave(len(AMOUNTS), 0)
        images = levels_of(model, decode(model, moved.flatten(0, 1), given), given)
        first, second = _name(some, a), _name(some, b)
        found.append(
            Shown(
                image_grid(images, columns=len(AMOUNTS), bits=model.bits),
                f"{len(start)} rows of images of class {first}, moved towards class {second}",
                f"{first} to {second}, times {', '.join(f'{t:g}' for t in AMOUNTS)}",
            )
        )
    return [*found, *_classes_of_one_noise(model, seed)]


def _name(data: ImageData, k: int) -> str:
    return data.names[k] if data.names else str(k)


def _classes_of_one_noise(model: ImageModel, seed: int) -> list[Shown]:
    """What each class makes of the same noise."""
    from diffeo.report.images_page import Shown

    if not model.classes:
        return []
    rows, columns = 5, min(len(model.classes), 12)
    generator = torch.Generator(model.like.device).manual_seed(seed)
    z = 0.7 * model.flow.base.sample(rows, seed=generator)
    context = model.context_of(list(range(columns))).repeat(rows, 1)
    images = levels_of(model, decode(model, z.repeat_interleave(columns, 0), context), context)
    names: Sequence[str] = model.classes[:columns]
    return [
        Shown(
            image_grid(images, columns=columns, bits=model.bits),
            f"{rows} rows, each of one noise as an image of every class: {', '.join(names)}",
            f"this model is told the class, so that its noise need not know it: each row is one "
            f"noise (temperature 0.7) as {', '.join(names)}",
        )
    ]


def round_trip(model: ImageModel, data: ImageData, seed: int) -> RoundTrip:
    """Errors of images that are taken to noise and back."""
    from diffeo.report.images_page import RoundTrip

    context = contexts_of(model, data)
    x = dequantized(model, data, seed)
    back = decode(model, encode(model, x, context), context)
    errors = (back - x).abs().flatten(1).amax(1).double().cpu().numpy()
    changed = float((levels_of(model, back, context) != data.pixels).mean())
    return RoundTrip(errors, changed, str(x.dtype).removeprefix("torch."))
