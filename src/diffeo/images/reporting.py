"""What a report on a model of images shows, gathered from the model and images."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from diffeo.images.bits import bits_per_dim
from diffeo.images.image_data import ImageData
from diffeo.images.judging import scores
from diffeo.images.matching import for_model, in_words
from diffeo.images.model import ImageModel
from diffeo.images.pictures import (
    attribute_directions,
    interpolations,
    neighbours,
    round_trip,
    sample_grids,
)
from diffeo.images.probes import constant, shuffled
from diffeo.images.splitting import evenly

# the page is imported where it is made: whoever fits images need not wait for it
if TYPE_CHECKING:
    from diffeo.report.images_page import ImageReportContent, Tightened

__all__ = ["image_report_content"]

# images that each figure is taken from, at most
MOST_SCORED, MOST_TIGHTENED, MOST_OUTSIDE = 1000, 100, 200
DRAWS = 16


def image_report_content(
    model: ImageModel,
    data: ImageData,
    *,
    training: ImageData | None = None,
    held_out: bool = True,
    against: Mapping[str, ImageData] | None = None,
    title: str = "",
    made: Sequence[tuple[str, str]] = (),
    seed: int = 0,
) -> ImageReportContent:
    """What ``write_image_report`` shows of a model of images.

    Args:
        model: a fitted model.
        data: images to judge it by, best those it was not fitted to; with labels, if it is of
            classes.
        training: images it was fitted to, to find samples too close to one of them.
        held_out: whether ``data`` were kept from the fit.
        against: other images of the same size, by what to call them.
        title: of the page.
        made: pairs of label and value, how the model was made.
        seed: of draws and subsamples.

    Raises:
        DataError: images that are not of the model's size, depth or classes.

    Example:
        >>> import numpy as np
        >>> from diffeo.images import fit_images, image_report_content, load_images
        >>> from diffeo.report.images_page import write_image_report
        >>> data = load_images(np.random.default_rng(0).integers(0, 16, (60, 8, 8)), bits=4)
        >>> model = fit_images(
        ...     data.subset(slice(40)), options={"steps": 1, "hidden": 8}, epochs=1, progress=False
        ... )
        >>> content = image_report_content(model, data.subset(slice(40, 60)))
        >>> write_image_report(content, "images.html")
    """
    from diffeo.report.images_page import ImageReportContent

    data = evenly(for_model(model, data), MOST_SCORED)
    known = None if training is None else for_model(model, training)
    return ImageReportContent(
        title or f"Report: {type(model.flow).__name__}",
        summary=_summary(model),
        made=[*made, *_made(model)],
        history=_history(model),
        scores=scores(model, data, seed=seed),
        held_out=held_out,
        tightened=_tightened(model, data, seed),
        samples=sample_grids(model, seed),
        neighbours=None if known is None else neighbours(model, known, data, held_out, seed),
        paths=interpolations(model, data, seed),
        directions=attribute_directions(model, data, seed),
        round_trip=round_trip(model, evenly(data, MOST_OUTSIDE), seed),
        sets=_sets(model, data, against or {}, seed),
    )


def _tightened(model: ImageModel, data: ImageData, seed: int) -> Tightened | None:
    """The bound with more draws, where the noise is learned."""
    from diffeo.report.images_page import Tightened

    if model.dequantization != "variational":
        return None
    some = evenly(data, MOST_TIGHTENED)
    before = scores(model, some, seed=seed)
    return Tightened(DRAWS, before, scores(model, some, num_samples=DRAWS, seed=seed))


def _sets(
    model: ImageModel, data: ImageData, against: Mapping[str, ImageData], seed: int
) -> dict[str, Any]:
    """Bits of the data and of other images, all of them without labels."""
    own = replace(evenly(data, MOST_OUTSIDE), labels=None, names=None)
    sets = {
        "the data": own,
        "the data with shuffled pixels": shuffled(own, seed),
        "constant images": constant(own, min(2**model.bits, 32)),
    }
    for name, other in against.items():
        unlabelled = replace(other, labels=None, names=None)
        sets[name] = evenly(for_model(model, unlabelled), MOST_OUTSIDE)
    return {name: scores(model, images, seed=seed) for name, images in sets.items()}


def _history(model: ImageModel) -> list[dict[str, Any]]:
    """The learning curve in bits per dimension."""
    dims = math.prod(model.event_shape)
    return [
        {
            key: value if key == "epoch" or value is None else bits_per_dim(-value, dims)
            for key, value in entry.items()
            if key in ("epoch", "train", "validation")
        }
        for entry in model.record.get("history", [])
    ]


def _summary(model: ImageModel) -> list[tuple[str, str]]:
    numbers = sum(parameter.numel() for parameter in model.parameters())
    found = [
        ("model", type(model.flow).__name__),
        ("images", f"{in_words(model.event_shape)}, {model.bits} bits a pixel"),
        ("classes", ", ".join(model.classes) or "none"),
        ("dequantisation", model.dequantization),
        ("parameters", f"{numbers:,}"),
    ]
    data = model.record.get("data", {})
    if "rows" in data:
        held_out = data.get("validation_rows", 0)
        found.append(("images of the fit", f"{data['rows']:,} trained on, {held_out:,} held out"))
    return found


def _made(model: ImageModel) -> list[tuple[str, str]]:
    record = model.record
    options = record.get("options", {})
    found = [(name, str(options[name])) for name in ("seed", "batch_size", "lr") if name in options]
    if "seconds" in record:
        found.append(("seconds of the fit", f"{record['seconds']:.1f}"))
    return [*found, *((name, str(v)) for name, v in record.get("versions", {}).items())]
