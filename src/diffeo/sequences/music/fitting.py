"""From rolls to a fitted model of them, in one call."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from diffeo.errors import DataError
from diffeo.sequences.latent import LatentSequenceFlow
from diffeo.sequences.music.judging import nats_per_step
from diffeo.sequences.music.loading import split_pieces
from diffeo.sequences.music.music_data import MusicData

__all__ = ["fit_rolls"]

# draws of the bound on held-out pieces
_DRAWS = 10
# steps of a piece that a training step sees, and semitones that it may be moved by
_WINDOW, _SEMITONES = 64, 6
# training steps, minutes of one core, and the pieces of each
_STEPS, _BATCH = 6000, 8
_FEWEST_EPOCHS, _MOST_EPOCHS = 10, 400
# of all steps, the share in which latents cost nothing, and in which they come to their price
_FREE, _RISING = 0.05, 0.5
_MOST_FREE = 300
_NOT_OPTIONS = {"self", "steps", "width", "seed", "likelihood"}


def fit_rolls(
    data: MusicData,
    *,
    validation: float | MusicData | None = 0.1,
    options: Mapping[str, Any] | None = None,
    seed: int = 0,
    **fit: Any,
) -> LatentSequenceFlow:
    """Fit a ``LatentSequenceFlow`` to rolls; voices become rolls of 88 notes.

    In training, pieces are transposed by up to six semitones, and seen through windows of 64
    steps; what is held out is neither. The record of the model holds, under "music", where the
    rolls come from, what a step and the lowest note are, and nats a step of held-out pieces.

    Args:
        data: the music.
        validation: share of the pieces to hold out, or music to hold out, or None for none.
        options: keywords of the model; they win over the defaults.
        seed: of weights, split and training.
        **fit: further arguments of ``LatentSequenceFlow.fit``.

    Raises:
        DataError: too few pieces, held-out pieces of another width, or an option that the model
            does not have.
        ShapeError, ValueError: sizes that do not fit.

    Example:
        >>> import numpy as np
        >>> from diffeo.sequences.music import MusicData, fit_rolls
        >>> data = MusicData(tuple(np.zeros((20, 5, 88), np.uint8)))
        >>> sizes = {"latent": 2, "hidden": 8, "step_hidden": (8,)}
        >>> model = fit_rolls(data, options=sizes, epochs=1, progress=False)
        >>> model.record["music"]["held_out_pieces"]
        2
    """
    train, held_out = _parts(data.as_rolls(), validation, seed)
    longest = [part.lengths.max() for part in (train, held_out) if part is not None]
    steps = int(max(longest))
    model = _built(steps, train.width, dict(options or {}), seed)
    model.fit(
        train.padded(steps),
        validation=None if held_out is None else held_out.padded(steps),
        seed=seed,
        **{**_fit_options(len(train), fit), **fit},
    )
    model.record["music"] = {
        "source": data.source,
        "pieces": len(train),
        "low": train.low,
        "step": train.step,
        "typical_steps": int(np.median(train.lengths)),
        "validation": validation if isinstance(validation, float) else None,
        "seed": seed,
        **_figures(model, held_out),
    }
    return model


def _parts(
    data: MusicData, validation: float | MusicData | None, seed: int
) -> tuple[MusicData, MusicData | None]:
    if validation is None:
        return data, None
    if not isinstance(validation, MusicData):
        return split_pieces(data, validation, seed)
    return data, validation.as_rolls(data.low, data.width)


def _built(steps: int, width: int, given: dict[str, Any], seed: int) -> LatentSequenceFlow:
    known = set(inspect.signature(LatentSequenceFlow).parameters) - _NOT_OPTIONS
    foreign = [key for key in given if key not in known]
    if foreign:
        raise DataError(
            f"a LatentSequenceFlow has no option {foreign[0]!r}; it has {', '.join(sorted(known))}"
        )
    sizes = {"transpose": _SEMITONES, "window": _WINDOW, **given}
    return LatentSequenceFlow(steps, width, seed=seed, **sizes)


def _fit_options(rows: int, given: Mapping[str, Any]) -> dict[str, Any]:
    """Length of the fit, and within it the steps until latents cost what they cost."""
    batch = given.get("batch_size", _BATCH)
    an_epoch = math.ceil(rows / batch)
    epochs = min(max(round(_STEPS / an_epoch), _FEWEST_EPOCHS), _MOST_EPOCHS)
    steps = given.get("epochs", epochs) * an_epoch
    return {
        "epochs": epochs,
        "batch_size": batch,
        "lr": 2e-3,
        "patience": None,
        "kl_free": min(round(_FREE * steps), _MOST_FREE),
        "kl_warmup": round(_RISING * steps),
    }


def _figures(model: LatentSequenceFlow, held_out: MusicData | None) -> dict[str, Any]:
    """Nats a step of held-out pieces: all of them together, over all of their steps."""
    if held_out is None:
        return {}
    each = nats_per_step(model, held_out, num_samples=_DRAWS)
    return {
        "held_out_pieces": len(held_out),
        "held_out_nats": float((each * held_out.lengths).sum() / held_out.lengths.sum()),
        "held_out_draws": _DRAWS,
    }
