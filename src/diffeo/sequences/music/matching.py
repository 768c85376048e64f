"""Music as a model takes it: rolls of its notes."""

from __future__ import annotations

from dataclasses import replace

from diffeo.errors import DataError
from diffeo.sequences.latent import LatentSequenceFlow
from diffeo.sequences.music.music_data import LOWEST, Array, MusicData

__all__ = ["for_model", "rolls_of", "step_of"]


def _said(model: LatentSequenceFlow) -> dict[str, float]:
    """What the fit wrote down of its rolls."""
    found: dict[str, float] = model.record.get("music", {})
    return found


def step_of(model: LatentSequenceFlow) -> float:
    """Quarter notes a time step of the rolls that a model was fitted to."""
    return float(_said(model).get("step", 1.0))


def for_model(model: LatentSequenceFlow, data: MusicData) -> MusicData:
    """The music as rolls of the notes of a model.

    Raises:
        DataError: rolls of another width, notes that the model does not have, or another time step.
    """
    low = int(_said(model).get("low", LOWEST))
    if data.kind == "rolls" and data.width != model.width:
        raise DataError(
            f"{data.source} holds rolls of {data.width} notes, but this model is of rolls of "
            f"{model.width}"
        )
    if "step" in _said(model) and data.step != step_of(model):
        raise DataError(
            f"{data.source} has steps of {data.step:g} quarter notes, but this model is of steps "
            f"of {step_of(model):g}; load it with step={step_of(model):g}"
        )
    return data.as_rolls(low, model.width)


def rolls_of(model: LatentSequenceFlow, rolls: Array, source: str) -> MusicData:
    """Rolls (N, steps, notes) that a model has drawn, as music."""
    low = int(_said(model).get("low", LOWEST))
    data = MusicData(tuple(rolls), "rolls", low=low, step=step_of(model), source=source)
    names = tuple(f"{source} {i + 1}" for i in range(len(data)))
    return replace(data, names=names)
