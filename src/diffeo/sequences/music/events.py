"""Notes with a beginning and an end, of pieces on a grid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from diffeo.sequences.music.music_data import REST, Array, MusicData

__all__ = ["Note", "notes_of", "roll_of", "voices_of"]


class Note(NamedTuple):
    """A note that sounds from a time to another.

    Attributes:
        start, end: in steps.
        pitch: MIDI number.
        voice: from 0; 0 for all notes of a roll.
    """

    start: int
    end: int
    pitch: int
    voice: int = 0


def notes_of(data: MusicData, i: int) -> list[Note]:
    """The notes of piece ``i`` in the order of time; steps of one pitch in a row are one note."""
    piece = data.pieces[i]
    if data.kind == "rolls":
        found = [
            Note(start, end, data.low + column)
            for column in np.nonzero(piece.any(0))[0].tolist()
            for start, end, on in _runs(piece[:, column])
            if on
        ]
    else:
        found = [
            Note(start, end, pitch, voice)
            for voice in range(piece.shape[1])
            for start, end, pitch in _runs(piece[:, voice])
            if pitch != REST
        ]
    return sorted(found)


def _runs(values: Array) -> list[tuple[int, int, int]]:
    """Begin, end and value of every stretch of equal values."""
    edges = np.flatnonzero(np.diff(values)) + 1
    starts = [0, *edges.tolist()]
    ends = [*edges.tolist(), len(values)]
    return [(s, e, int(values[s])) for s, e in zip(starts, ends, strict=True)]


def roll_of(notes: Sequence[Note], steps: int, low: int, count: int) -> Array:
    """A roll (steps, count) of notes from ``low`` on, in which all of them lie."""
    roll = np.zeros((steps, count), np.uint8)
    for note in notes:
        roll[note.start : note.end, note.pitch - low] = 1
    return roll


def voices_of(notes: Sequence[Note], steps: int, count: int) -> Array:
    """Voices (steps, count); where notes of one voice overlap, the later one."""
    voices = np.full((steps, count), REST, np.int16)
    for note in sorted(notes):
        voices[note.start : note.end, note.voice] = note.pitch
    return voices
