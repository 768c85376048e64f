"""Music in .npz files: pieces one after another, and how long each is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from diffeo.errors import DataError
from diffeo.reading.array_files import Archive
from diffeo.reading.splits import split_called
from diffeo.sequences.music.music_data import LOWEST, NOTES, Array, MusicData

__all__ = ["Parts", "read_archive", "write_archive"]

# for each part of a source, how to read it; None for what is not split
Parts = dict[str | None, Callable[[], MusicData]]

# what an array of pieces without parts is called, and the end of the name of its lengths
_WHOLE, _LENGTHS = "pieces", "_len"
# quarter notes a step, where the file does not say: rolls of quarters, voices of sixteenths
_ROLL_STEP, _VOICE_STEP = 1.0, 0.25


def read_archive(path: Path, step: float | None) -> Parts:
    """The parts of a file: arrays train, valid and test, or ``pieces``, each with NAME_len.

    The pieces of an array follow one another along its first axis; NAME_len says how many steps
    each has. Unsigned whole numbers are rolls, of 0 and 1, or, 11 bytes wide, the packed bits of
    88 notes; signed ones are voices, -1 for a rest. ``step`` and ``low``, if they are there, are
    those of ``MusicData``.

    Raises:
        DataError: a damaged file, or one without such arrays.
    """
    archive = Archive(path)
    names = {
        split_called(name): name
        for name in archive.shapes
        if f"{name}{_LENGTHS}" in archive.shapes and (split_called(name) or name == _WHOLE)
    }
    if not names:
        raise DataError(
            f"{path} holds {archive.described()}, but no music: arrays called train, valid and "
            f"test, or {_WHOLE}, and the lengths of their pieces in train{_LENGTHS}, ..."
        )
    return {
        split: lambda name=name: _read(archive, name, step)  # type: ignore[misc]
        for split, name in names.items()
    }


def _read(archive: Archive, name: str, step: float | None) -> MusicData:
    whole, lengths = archive.read(name), archive.read(f"{name}{_LENGTHS}")
    source = f"{archive.path}, {name}"
    if whole.ndim != 2 or whole.dtype.kind not in "uib":
        raise DataError(
            f"{source}: pieces are an array (steps, notes or voices) of whole numbers, got "
            f"{whole.shape} of {whole.dtype}"
        )
    if lengths.ndim != 1 or lengths.dtype.kind not in "ui" or (lengths < 1).any():
        raise DataError(f"{source}: the lengths of the pieces must be whole numbers >= 1")
    if lengths.sum() != len(whole):
        raise DataError(
            f"{source}: the pieces have {lengths.sum()} steps together by their lengths, but the "
            f"array has {len(whole)}"
        )
    voices = whole.dtype.kind == "i"
    if whole.dtype == np.uint8 and whole.shape[1] == -(-NOTES // 8):
        whole = np.unpackbits(whole, axis=1)[:, :NOTES]
    default = _VOICE_STEP if voices else _ROLL_STEP
    return MusicData(
        tuple(np.split(whole, np.cumsum(lengths)[:-1])),
        "voices" if voices else "rolls",
        low=int(_scalar(archive, "low", LOWEST)),
        step=_step(archive, step, default),
        source=source,
    )


def _step(archive: Archive, wanted: float | None, default: float) -> float:
    """The step of the file, or if it does not say, the one wanted, or the default."""
    found = float(_scalar(archive, "step", default if wanted is None else wanted))
    if wanted not in (None, found):
        raise DataError(
            f"{archive.path} says that its steps are of {found:g} quarter notes, not {wanted:g}"
        )
    return found


def _scalar(archive: Archive, name: str, default: float) -> Array | float:
    if name not in archive.shapes:
        return default
    found = archive.read(name)
    if found.shape or found.dtype.kind not in "uif":
        raise DataError(f"{archive.path}: {name} must be one number, got {found!r}")
    return found


def write_archive(path: Path, data: MusicData) -> None:
    """Write pieces so that ``read_archive`` reads them."""
    with open(path, "wb") as file:
        np.savez_compressed(
            file,
            **{
                _WHOLE: np.concatenate(data.pieces),
                f"{_WHOLE}{_LENGTHS}": data.lengths,
                "low": np.array(data.low),
                "step": np.array(data.step),
            },  # type: ignore[arg-type]
        )
