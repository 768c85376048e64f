"""The one way in: from a path to pieces of music."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from diffeo.errors import DataError
from diffeo.reading.splits import choose, split_called
from diffeo.sequences.music.archives import Parts, read_archive
from diffeo.sequences.music.events import roll_of, voices_of
from diffeo.sequences.music.midi import SUFFIXES, read_midi
from diffeo.sequences.music.music_data import LOWEST, NOTES, Kind, MusicData
from diffeo.training.splitting import split_evenly

__all__ = ["load_music", "split_pieces"]

# quarter notes a step of what MIDI files are put on: sixteenths
_STEP = 0.25


def load_music(
    path: str | os.PathLike[str],
    *,
    split: str | None = None,
    kind: Kind | None = None,
    step: float | None = None,
) -> MusicData:
    """Pieces of music from an .npz file, a MIDI file, or a folder of MIDI files.

    In .npz files they are arrays ``train``, ``valid`` and ``test``, or ``pieces``, of all pieces
    one after another, each with its lengths, ``train_len``, ...: rolls (steps, 88), unsigned,
    perhaps packed (``numpy.packbits`` along the notes), or voices (steps, voices), signed, -1 for a
    rest. A folder holds MIDI files, or folders train, valid and test of them.

    Args:
        path: the file or folder.
        split: "train", "validation" or "test", where there are several.
        kind: "rolls" or "voices"; by default what the .npz file holds, and rolls of MIDI. Voices of
            a MIDI file are its channels.
        step: quarter notes a time step, to which the notes of MIDI are rounded; by default 1/4.
            Of an .npz file that does not say its own; by default 1 for rolls, 1/4 for voices.

    Raises:
        FileNotFoundError: no such file or folder.
        DataError: what is there is no music that can be read; file and place are named.
        MissingExtraError: mido, which reads MIDI, is not installed.
        ValueError: ``split`` is no name of a part.

    Example:
        >>> import numpy as np
        >>> from diffeo.sequences.music import load_music
        >>> rolls = np.zeros((30, 88), np.uint8)
        >>> np.savez("rolls.npz", pieces=rolls, pieces_len=[10, 20])
        >>> load_music("rolls.npz").lengths
        array([10, 20])
    """
    place = Path(path)
    if not place.exists():
        raise FileNotFoundError(f"there is no {place}")
    if place.is_dir():
        parts = _folder(place, kind or "rolls", step or _STEP)
    elif place.suffix.lower() == ".npz":
        parts = read_archive(place, step)
    elif place.suffix.lower() in SUFFIXES:
        return _midi([place], kind or "rolls", step or _STEP, str(place))
    else:
        raise DataError(f"{place}: music is read from .npz, .mid and folders of .mid")
    data = choose(parts, split, str(place), "pieces")()
    if kind in (None, data.kind):
        return data
    if kind == "voices":
        raise DataError(f"{data.source} holds rolls, which do not say which voice has a note")
    return data.as_rolls()


def _folder(folder: Path, kind: Kind, step: float) -> Parts:
    parts: Parts = {}
    groups = [(split_called(f.name), f) for f in sorted(folder.iterdir()) if f.is_dir()]
    for split, place in [*(g for g in groups if g[0]), (None, folder)]:
        files = [f for f in sorted(place.iterdir()) if f.suffix.lower() in SUFFIXES]
        if files:
            parts[split] = lambda files=files, place=place: _midi(files, kind, step, str(place))  # type: ignore[misc]
    if not parts:
        raise DataError(f"{folder} holds no {' or '.join(SUFFIXES)} files")
    return parts


def _midi(files: list[Path], kind: Kind, step: float, source: str) -> MusicData:
    read = [(file, *read_midi(file, step)) for file in files]
    if kind == "voices":
        count = max(note.voice for _, notes, _ in read for note in notes) + 1
        pieces = [voices_of(notes, steps, count) for _, notes, steps in read]
    else:
        for file, notes, _ in read:
            for note in notes:
                if not LOWEST <= note.pitch < LOWEST + NOTES:
                    raise DataError(
                        f"{file}: the note {note.pitch} at quarter note {note.start * step:g} is "
                        f"outside the {NOTES} of the piano, {LOWEST} to {LOWEST + NOTES - 1}"
                    )
        pieces = [roll_of(notes, steps, LOWEST, NOTES) for _, notes, steps in read]
    names = tuple(str(file) for file in files)
    return MusicData(tuple(pieces), kind, step=step, source=source, names=names)


def split_pieces(data: MusicData, share: float, seed: int = 0) -> tuple[MusicData, MusicData]:
    """Pieces to train on, and a share of them to hold out.

    Raises:
        DataError: fewer than two pieces.
        ValueError: a share that is not between 0 and 1.

    Example:
        >>> import numpy as np
        >>> from diffeo.sequences.music import MusicData, split_pieces
        >>> data = MusicData(tuple(np.zeros((10, 5, 88), np.uint8)))
        >>> [len(part) for part in split_pieces(data, 0.2)]
        [8, 2]
    """
    if len(data) < 2:
        raise DataError(f"{data.source}: {len(data)} piece cannot be split; two or more can")
    train, held_out = split_evenly(len(data), None, share, seed)
    return data.subset(np.asarray(train)), data.subset(np.asarray(held_out))
