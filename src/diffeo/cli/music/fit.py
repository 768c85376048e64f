"""A model of pieces of music, fitted."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from diffeo.cli.fit_options import Options
    from diffeo.model import Model

__all__ = ["LATENT", "fit_music"]

LATENT = "latent-sequence"


def fit_music(name: str, arguments: argparse.Namespace, options: Options) -> Model:
    """The model of that name; "auto" is a latent flow of rolls, and one of symbols for voices.

    Raises:
        DataError: what is no music, or options that the model does not take.
        ShapeError, ValueError: sizes that do not fit.
    """
    from diffeo.sequences import fit_voices
    from diffeo.sequences.music import fit_rolls, load_music

    wanted = {"auto": None, LATENT: "rolls"}.get(name, "voices")
    data = load_music(arguments.data, split=arguments.split, kind=wanted)  # type: ignore[arg-type]
    rolls = data.kind == "rolls"
    if name == "auto":
        name = LATENT if rolls else "argmax-autoregressive"
    if not arguments.quiet:
        what = "rolls" if rolls else f"{data.width} voices"
        print(f"model {name}: fitting {len(data):,} pieces of {what}", flush=True)
    fit: dict[str, Any] = {"seed": 0, **options.fit}
    if rolls:
        return fit_rolls(data, options=options.model, **fit)
    return fit_voices(data, model=name, options=options.model, **fit)
