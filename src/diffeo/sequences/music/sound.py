"""Music as sound: sums of sines that fade."""

from __future__ import annotations

import io
import wave
from pathlib import Path

import numpy as np

from diffeo.arrays import Floats
from diffeo.files import write_atomically
from diffeo.sequences.music.events import Note, notes_of
from diffeo.sequences.music.music_data import MusicData

__all__ = ["RATE", "sound_of", "write_wav"]

RATE = 22_050  # samples a second
_PARTIALS = 6
# seconds: until a note is loud, until it has faded to a third, until it is silent once it has ended
_ATTACK, _DECAY, _RELEASE = 0.01, 1.2, 0.12
_LOUDEST = 0.9


def sound_of(data: MusicData, i: int, tempo: float = 100.0) -> Floats:
    """Samples in [-1, 1] of piece ``i``, ``RATE`` a second.

    Every note is a sum of partials h f with amplitudes h^-1.5, with a soft attack and a decay.

    Args:
        data: the music.
        i: which piece.
        tempo: quarter notes a minute.

    Example:
        >>> import numpy as np
        >>> from diffeo.sequences.music import MusicData, sound_of
        >>> data = MusicData((np.full((4, 1), 69),), "voices")
        >>> len(sound_of(data, 0, tempo=60)) / 22050  # four seconds, and the last note dies away
        4.12
    """
    seconds = 60 / tempo * data.step
    out = np.zeros(round((len(data.pieces[i]) * seconds + _RELEASE) * RATE))
    for note in notes_of(data, i):
        start, sound = round(note.start * seconds * RATE), _tone(note, seconds)
        end = min(start + len(sound), len(out))
        out[start:end] += sound[: end - start]
    peak = np.abs(out).max(initial=0.0)
    return out * (_LOUDEST / peak) if peak else out


def _tone(note: Note, seconds: float) -> Floats:
    held = (note.end - note.start) * seconds
    time = np.arange(round((held + _RELEASE) * RATE)) / RATE
    pitch = 440 * 2 ** ((note.pitch - 69) / 12)
    sound = np.zeros_like(time)
    for h in range(1, _PARTIALS + 1):
        # what the samples cannot hold would be heard as another pitch
        if h * pitch < RATE / 2:
            sound += np.sin(2 * np.pi * h * pitch * time) * h**-1.5
    end = np.clip((held + _RELEASE - time) / _RELEASE, 0, 1)
    envelope = np.minimum(time / _ATTACK, 1) * np.exp(-time / _DECAY) * end
    return np.asarray(sound * envelope)


def write_wav(path: Path, data: MusicData, i: int, tempo: float) -> None:
    """Write piece ``i`` as sound, 16 bits, one channel.

    Raises:
        OSError: the file cannot be written.
    """
    samples = np.round(sound_of(data, i, tempo) * 32767).astype("<i2")
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.tobytes())
    write_atomically(path, content.getvalue())
