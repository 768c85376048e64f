"""New pieces of music from a model."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from diffeo.sequences.music import MusicData

__all__ = ["sample_music"]


def sample_music(model: Any, arguments: argparse.Namespace) -> str:
    """Draw pieces, or go on with one, or harmonise one, and write them; how many, in words.

    Raises:
        DataError: a given piece that is not the model's.
        ShapeError, ValueError: lengths or a temperature that cannot be.
    """
    from diffeo.cli.output import check_output
    from diffeo.errors import DataError
    from diffeo.sequences import LatentSequenceFlow
    from diffeo.sequences.music import MUSIC_FILES, write_music

    check_output(arguments.output, MUSIC_FILES, [arguments.model])
    if isinstance(model, LatentSequenceFlow):
        if arguments.harmonise:
            raise DataError("--harmonise is for models of voices, and this one is of rolls")
        data = _rolls(model, arguments)
    else:
        data = _voices(model, arguments)
    files = write_music(arguments.output, data, tempo=arguments.tempo or 100.0)
    each = f", a file each from {files[0].name} on," if len(files) > 1 else ""
    return f"{len(data):,} piece{'s' * (len(data) > 1)}{each}"


def _temperature(arguments: argparse.Namespace) -> float:
    return 1.0 if arguments.temperature is None else float(arguments.temperature)


def _rolls(model: Any, arguments: argparse.Namespace) -> MusicData:
    from diffeo.sequences.music import draw_music, load_music, step_of

    prefix = None
    if arguments.prefix is not None:
        prefix = load_music(arguments.prefix, kind="rolls", step=step_of(model))
    return draw_music(
        model,
        arguments.n,
        arguments.length,
        prefix=prefix,
        temperature=_temperature(arguments),
        seed=arguments.seed,
    )


def _voices(model: Any, arguments: argparse.Namespace) -> MusicData:
    from diffeo.sequences.music import MusicData
    from diffeo.sequences.symbols import continued, harmonised, sample_voices

    drawn: dict[str, Any] = {
        "count": arguments.n,
        "temperature": _temperature(arguments),
        "seed": arguments.seed,
    }
    if arguments.harmonise is not None:
        pieces = harmonised(model, _piece(arguments.harmonise)[:, 0], **drawn)
    elif arguments.prefix is not None:
        start = _piece(arguments.prefix)
        pieces = continued(model, start, arguments.length or 2 * len(start), **drawn)
    else:
        pieces = sample_voices(model, steps=arguments.length, **drawn)
    return MusicData(tuple(pieces), "voices", step=0.25, source="samples")


def _piece(path: str) -> Any:
    """The steps of the one piece of a file.

    Raises:
        DataError: several pieces.
    """
    from diffeo.errors import DataError
    from diffeo.sequences.music import load_music

    data = load_music(path, kind="voices")
    if len(data) > 1:
        raise DataError(f"{path} holds {len(data)} pieces; give a file of one")
    return data.pieces[0]
