"""From images to a fitted model of them, in one call."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from typing import Any

from diffeo.errors import DataError
from diffeo.estimates import mean_and_error
from diffeo.images.bits import bits_per_dim
from diffeo.images.defaults import default_model, fit_options, image_model_class, model_options
from diffeo.images.image_data import ImageData
from diffeo.images.judging import scores
from diffeo.images.matching import class_names, contexts_of, for_model, pixels_of
from diffeo.images.model import Dequantization, ImageModel
from diffeo.images.splitting import evenly, split_images

__all__ = ["fit_images", "held_out_images"]

# held-out images that the figure of a fit is taken from, at most
_MOST_JUDGED = 2000
_NOT_OPTIONS = {"self", "image_shape", "context", "univariate", "seed"}


def fit_images(
    data: ImageData,
    *,
    model: str = "auto",
    conditional: bool = True,
    dequantization: Dequantization = "uniform",
    flips: bool = False,
    options: Mapping[str, Any] | None = None,
    seed: int = 0,
    validation: float | None = 0.1,
    **fit: Any,
) -> ImageModel:
    """Fit a model to images, conditional on their classes if they have labels.

    Sizes, epochs and batch follow from the images where they are not given
    (``diffeo.images.defaults``). The record of the model holds, under "images", where the images
    come from, how they were split, and bits per dimension of both parts.

    Args:
        data: the images; a part of them is held out.
        model: "glow", "imagerealnvp", "flowplusplus" or "tarflow"; "auto" is Glow, or TarFlow for
            images of odd sides.
        conditional: whether labels, if there are any, are conditioned on.
        dequantization, flips: of the ``ImageModel``.
        options: keywords of the named model; they win over the defaults.
        seed: of weights, split and training.
        validation: share of the images that is held out, of every class; None for none.
        **fit: further arguments of ``Model.fit``.

    Raises:
        UnknownModelError: no such model.
        DataError: too few images, or an option that the model does not have.
        ShapeError, ValueError: sizes that do not fit the images.

    Example:
        >>> import numpy as np
        >>> from diffeo.images import fit_images, load_images
        >>> data = load_images(np.random.default_rng(0).integers(0, 16, (40, 8, 8)), bits=4)
        >>> model = fit_images(
        ...     data, options={"steps": 1, "hidden": 8}, epochs=1, progress=False
        ... )
        >>> model.bits, model.event_shape
        (4, (1, 8, 8))
    """
    model = default_model(data.image_shape) if model == "auto" else model
    labelled = conditional and data.labels is not None
    classes = class_names(data) if labelled else ()
    built = ImageModel(
        _flow(model, data, len(classes), dict(options or {}), seed),
        bits=data.bits,
        dequantization=dequantization,
        classes=classes,
        flips=flips,
    )
    whole = for_model(built, data)
    train, held_out = split_images(whole, validation, seed) if validation else (whole, None)
    built.fit(
        pixels_of(train),
        context=contexts_of(built, train),
        validation=None
        if held_out is None
        else (pixels_of(held_out), contexts_of(built, held_out)),
        seed=seed,
        **{**fit_options(model, len(train), data.image_shape), **fit},
    )
    built.record["images"] = {
        "source": data.source,
        "validation": validation,
        "seed": seed,
        **_figures(built, held_out),
    }
    return built


def _flow(name: str, data: ImageData, context: int, given: dict[str, Any], seed: int) -> Any:
    build = image_model_class(name)
    known = set(inspect.signature(build).parameters) - _NOT_OPTIONS
    foreign = [key for key in given if key not in known]
    if foreign:
        raise DataError(
            f"the model {name!r} has no option {foreign[0]!r}; it has {', '.join(sorted(known))}"
        )
    sizes = {**model_options(name, data.image_shape), **given}
    try:
        return build(data.image_shape, context=context, seed=seed, **sizes)
    except (TypeError, RuntimeError) as error:
        raise ValueError(f"the options of the model do not fit: {error}") from error


def _figures(model: ImageModel, held_out: ImageData | None) -> dict[str, Any]:
    """Bits per dimension of the best epoch in training, and on held-out images."""
    record = model.record
    best: dict[str, Any] = next(
        (e for e in record["history"] if e["epoch"] == record["best_epoch"]), {}
    )
    found: dict[str, Any] = {}
    if best.get("train") is not None:
        found["train_bits"] = bits_per_dim(-best["train"], math.prod(model.event_shape))
    if held_out is not None:
        mean, error = mean_and_error(scores(model, evenly(held_out, _MOST_JUDGED)))
        found |= {"held_out_bits": mean, "held_out_error": None if math.isnan(error) else error}
    return found


def held_out_images(model: ImageModel, data: ImageData) -> tuple[ImageData, ImageData | None]:
    """The images of a fit as it split them: those trained on, and those held out.

    Args:
        model: fitted by ``fit_images``.
        data: the images that it was fitted to.

    Raises:
        DataError: a model that was not fitted by ``fit_images``, or other images.
    """
    record = model.record.get("images")
    if record is None:
        raise DataError("this model does not say how its images were split; it has no such record")
    data = for_model(model, data)
    if not record["validation"]:
        return data, None
    train, held_out = split_images(data, record["validation"], record["seed"])
    sizes = model.record["data"]
    if (len(train), len(held_out)) != (sizes["rows"], sizes["validation_rows"]):
        raise DataError(
            f"{data.source} holds {len(data)} images, but the model was fitted to "
            f"{sizes['rows'] + sizes['validation_rows']}: these are others"
        )
    return train, held_out
