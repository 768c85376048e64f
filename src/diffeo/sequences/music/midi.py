"""MIDI files, read and written by mido."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from diffeo.errors import DataError, import_extra
from diffeo.files import write_atomically
from diffeo.sequences.music.events import Note, notes_of
from diffeo.sequences.music.music_data import MusicData

__all__ = ["SUFFIXES", "read_midi", "write_midi"]

SUFFIXES = (".mid", ".midi")
_TICKS = 480  # of a quarter note, in what is written
_DRUMS = 9  # the channel whose notes are no pitches
_VELOCITY = 80


def read_midi(path: Path, step: float) -> tuple[list[Note], int]:
    """The notes of a file on a grid, and the steps until its end.

    Beginnings and ends are rounded to the grid, and no note is shorter than a step. Voices are the
    file's channels in their order, without the drums.

    Args:
        path: the file.
        step: quarter notes a step.

    Raises:
        FileNotFoundError: no such file.
        DataError: no MIDI file, a damaged one, or one without notes.
        MissingExtraError: mido is not installed.
    """
    file = _open(path)
    ticks = step * file.ticks_per_beat
    found: list[Note] = []
    last = 0
    for track in file.tracks:
        now = 0
        sounding: dict[tuple[int, int], int] = {}
        for message in track:
            now += message.time
            if message.type not in ("note_on", "note_off") or message.channel == _DRUMS:
                continue
            key = message.channel, message.note
            # a note that is struck again ends first
            if key in sounding:
                found.append(_on_grid(sounding.pop(key), now, ticks, key))
            if message.type == "note_on" and message.velocity:
                sounding[key] = now
        found += [_on_grid(start, now, ticks, key) for key, start in sounding.items()]
        last = max(last, round(now / ticks))
    if not found:
        raise DataError(f"{path} is a MIDI file without notes")
    channels = sorted({note.voice for note in found})
    notes = sorted(note._replace(voice=channels.index(note.voice)) for note in found)
    return notes, max(last, *(note.end for note in notes))


def _on_grid(start: int, end: int, ticks: float, key: tuple[int, int]) -> Note:
    first = round(start / ticks)
    return Note(first, max(first + 1, round(end / ticks)), key[1], key[0])


def _open(path: Path) -> Any:
    mido = import_extra("mido", "music")
    content = path.read_bytes()
    if not content:
        raise DataError(f"{path} is empty, no MIDI file")
    if not content.startswith(b"MThd"):
        raise DataError(f"{path} is no MIDI file: it begins with {content[:4]!r}, not with b'MThd'")
    try:
        file = mido.MidiFile(file=io.BytesIO(content))
    # what mido raises of damaged files is not said anywhere
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise DataError(f"{path} is a damaged MIDI file: {reason}") from error
    if file.ticks_per_beat <= 0:
        raise DataError(f"{path} counts time in frames of film, not in quarter notes")
    return file


def write_midi(path: Path, data: MusicData, i: int, tempo: float) -> None:
    """Write piece ``i``, a track and a channel for each voice.

    Args:
        path: the file.
        data: the music.
        i: which piece.
        tempo: quarter notes a minute.

    Raises:
        OSError: the file cannot be written.
        MissingExtraError: mido is not installed.
    """
    mido = import_extra("mido", "music")
    file = mido.MidiFile(ticks_per_beat=_TICKS)
    notes = notes_of(data, i)
    ticks, end = _TICKS * data.step, round(len(data.pieces[i]) * _TICKS * data.step)
    voices = data.width if data.kind == "voices" else 1
    # more than 16 channels there are not, and one is for drums
    channels = [k for k in range(16) if k != _DRUMS]
    for voice in range(voices):
        track = mido.MidiTrack()
        if not voice:
            track.append(mido.MetaMessage("set_tempo", tempo=round(60e6 / tempo)))
        changes = []
        for note in notes:
            if note.voice == voice:
                changes += [(round(note.start * ticks), 1, note.pitch)]
                changes += [(round(note.end * ticks), 0, note.pitch)]
        now = 0
        for time, on, pitch in sorted(changes):
            track.append(
                mido.Message(
                    "note_on" if on else "note_off",
                    channel=channels[voice % len(channels)],
                    note=pitch,
                    velocity=_VELOCITY,
                    time=time - now,
                )
            )
            now = time
        track.append(mido.MetaMessage("end_of_track", time=end - now))
        file.tracks.append(track)
    content = io.BytesIO()
    file.save(file=content)
    write_atomically(path, content.getvalue())
