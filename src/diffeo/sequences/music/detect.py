"""Whether a path holds music, before it is read."""

from __future__ import annotations

import os
from pathlib import Path

from diffeo.errors import DataError
from diffeo.reading.array_files import Archive
from diffeo.sequences.music.midi import SUFFIXES

__all__ = ["holds_music"]


def holds_music(path: str | os.PathLike[str]) -> bool:
    """Whether ``path`` is a MIDI file, a folder of them, or an .npz file of pieces with lengths.

    A file that is damaged, or not there, holds none: whoever reads it will say what is wrong.

    Example:
        >>> import numpy as np
        >>> from diffeo.sequences.music import holds_music
        >>> np.savez("pieces.npz", pieces=np.zeros((9, 88), np.uint8), pieces_len=[4, 5])
        >>> holds_music("pieces.npz"), holds_music("fugue.mid"), holds_music("table.csv")
        (True, True, False)
    """
    file = Path(path)
    if file.is_dir():
        found = (*file.glob("*"), *file.glob("*/*"))
        return any(each.suffix.lower() in SUFFIXES for each in found)
    if file.suffix.lower() in SUFFIXES:
        return True
    try:
        return file.suffix.lower() == ".npz" and _with_lengths(Archive(file))
    except (DataError, OSError):
        return False


def _with_lengths(archive: Archive) -> bool:
    return any(f"{name}_len" in archive.shapes for name in archive.shapes)
