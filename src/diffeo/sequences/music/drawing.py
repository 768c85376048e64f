"""Music that a model makes: new pieces, and given beginnings carried on."""

from __future__ import annotations

from diffeo.density import Seed
from diffeo.errors import DataError
from diffeo.sequences.latent import LatentSequenceFlow
from diffeo.sequences.music.matching import for_model, rolls_of
from diffeo.sequences.music.music_data import MusicData

__all__ = ["draw_music"]


def draw_music(
    model: LatentSequenceFlow,
    count: int = 1,
    steps: int | None = None,
    *,
    prefix: MusicData | None = None,
    prefix_steps: int | None = None,
    temperature: float = 1.0,
    seed: Seed = 0,
) -> MusicData:
    """Pieces drawn from a model, or the beginning of a piece and what may come after it.

    Args:
        model: fitted by ``fit_rolls``, or any of rolls.
        count: of pieces.
        steps: of each; by default the median of the pieces of the fit, or if it is more, twice the
            prefix, up to the length of the model.
        prefix: one piece to carry on.
        prefix_steps: steps of it to keep; by default all.
        temperature: T >= 0; see ``LatentSequenceFlow.draw`` and ``continued``.
        seed: of the draws.

    Raises:
        DataError: a prefix of several pieces, of other notes, or not shorter than ``steps``.
        ShapeError: more steps than the model has.
        ValueError: numbers out of range.

    Example:
        >>> from diffeo.sequences import LatentSequenceFlow
        >>> from diffeo.sequences.music import draw_music
        >>> model = LatentSequenceFlow(8, 88, latent=2, hidden=8, step_hidden=(8,))
        >>> beginning = draw_music(model, steps=3)
        >>> draw_music(model, 4, prefix=beginning, seed=1).lengths
        array([8, 8, 8, 8])
    """
    typical = int(model.record.get("music", {}).get("typical_steps", model.steps))
    if prefix is None:
        rolls = model.draw(count, steps or typical, temperature=temperature, seed=seed)
        return rolls_of(model, rolls.cpu().numpy(), "sample")
    if len(prefix) != 1:
        raise DataError(f"{prefix.source} holds {len(prefix)} pieces; a prefix is one")
    (roll,) = for_model(model, prefix).pieces
    if prefix_steps is not None:
        roll = roll[:prefix_steps]
    if steps is None:
        steps = min(max(typical, 2 * len(roll)), model.steps)
    if not 1 <= len(roll) < steps:
        raise DataError(
            f"{prefix.called(0)}: {len(roll)} steps of it are given, but a prefix has at least one "
            f"and fewer than the {steps} of the pieces wanted (at most the model's {model.steps})"
        )
    found = model.continued(roll, count, steps, temperature=temperature, seed=seed)
    return rolls_of(model, found, "continuation")
