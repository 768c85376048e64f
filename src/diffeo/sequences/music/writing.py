"""Music into files: to play, to hear, to look at, to load again."""

from __future__ import annotations

import os
from pathlib import Path

from diffeo.errors import DataError
from diffeo.files import replacing
from diffeo.sequences.music.archives import write_archive
from diffeo.sequences.music.midi import SUFFIXES, write_midi
from diffeo.sequences.music.music_data import MusicData
from diffeo.sequences.music.pictures import plot_music
from diffeo.sequences.music.sound import write_wav

__all__ = ["MUSIC_FILES", "write_music"]

MUSIC_FILES = (*SUFFIXES, ".wav", ".png", ".npz")


def write_music(
    path: str | os.PathLike[str], data: MusicData, *, tempo: float = 100.0
) -> list[Path]:
    """Write pieces as the ending of ``path`` says: .mid, .wav, .png or .npz.

    All pieces go into one .png or .npz. Of several, each gets a .mid or a .wav of its own, with its
    number from 1 in the name: chorale-1.mid, chorale-2.mid, ...

    Args:
        path: where.
        data: the music.
        tempo: quarter notes a minute, of .mid and .wav.

    Returns:
        The files written.

    Raises:
        DataError: another ending.
        ValueError: a tempo that is not positive.
        OSError: a file cannot be written.
        MissingExtraError: mido or matplotlib is not installed.

    Example:
        >>> import numpy as np
        >>> from diffeo.sequences.music import MusicData, write_music
        >>> data = MusicData((np.array([[60, 48], [62, -1]]),), "voices")
        >>> [path.name for path in write_music("duet.wav", data)]
        ['duet.wav']
    """
    if not tempo > 0:
        raise ValueError(f"tempo must be quarter notes a minute > 0, got {tempo!r}")
    whole = Path(path)
    suffix = whole.suffix.lower()
    if suffix not in MUSIC_FILES:
        raise DataError(f"{whole}: music is written to {', '.join(MUSIC_FILES)}")
    if suffix in (".png", ".npz"):
        with replacing(whole) as temporary:
            if suffix == ".npz":
                write_archive(temporary, data)
            else:
                plot_music(data).savefig(temporary, format="png", dpi=120)
        return [whole]
    write = write_wav if suffix == ".wav" else write_midi
    count = len(data)
    paths = [
        whole if count == 1 else whole.with_name(f"{whole.stem}-{i + 1}{whole.suffix}")
        for i in range(count)
    ]
    for i, each in enumerate(paths):
        write(each, data, i, tempo)
    return paths
