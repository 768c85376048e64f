"""Pitches of voices as symbols one after another, and back."""

from __future__ import annotations

import numpy as np

from diffeo.errors import DataError
from diffeo.models.sequences.alphabet import Codes
from diffeo.sequences.music.music_data import MusicData
from diffeo.sequences.symbols.data import SymbolData

__all__ = [
    "REST",
    "as_pitches",
    "as_symbols",
    "codes_of_pitches",
    "pitch_alphabet",
    "voice_ranges",
]

# the symbol of a rest
REST = "rest"


def voice_ranges(data: MusicData) -> Codes:
    """(V, 2): the lowest and the highest pitch of each voice; 0 and -1 where it only rests."""
    every = np.concatenate(list(data.pieces))
    found = []
    for voice in every.T:
        sounding = voice[voice >= 0]
        found.append([sounding.min(), sounding.max()] if len(sounding) else [0, -1])
    return np.array(found, dtype=np.int64)


def pitch_alphabet(data: MusicData) -> tuple[str, ...]:
    """Names of symbols: a rest, and all pitches from the lowest to the highest of any voice.

    Raises:
        DataError: no voice sounds.
    """
    lowest, highest = data.note_range
    return (REST, *map(str, range(lowest, highest + 1)))


def as_symbols(data: MusicData, alphabet: tuple[str, ...]) -> SymbolData:
    """Every piece as a sequence: the voices of the first step, those of the second, and so on.

    Raises:
        DataError: a pitch that the alphabet does not have; piece, step and voice are named.
    """
    rows = [
        codes_of_pitches(piece, alphabet, data.called(i)).reshape(-1)
        for i, piece in enumerate(data.pieces)
    ]
    return SymbolData(rows, alphabet, data.source)


def codes_of_pitches(pitches: Codes, alphabet: tuple[str, ...], source: str) -> Codes:
    """Symbols of pitches (steps, V), -1 for rests.

    Raises:
        DataError: a pitch that the alphabet does not have.
    """
    lowest, highest = int(alphabet[1]), int(alphabet[-1])
    bad = (pitches >= 0) & ((pitches < lowest) | (pitches > highest))
    if bad.any():
        step, voice = (int(k) for k in np.argwhere(bad)[0])
        raise DataError(
            f"{source} holds the pitch {pitches[step, voice]} at step {step}, voice {voice}, but "
            f"this model knows those from {lowest} to {highest}"
        )
    return np.where(pitches < 0, 0, pitches.astype(np.int64) - lowest + 1)


def as_pitches(codes: Codes, alphabet: tuple[str, ...], voices: int) -> Codes:
    """(..., steps, V) of symbols (..., steps * V); -1 for rests."""
    values = np.array([-1 if name == REST else int(name) for name in alphabet])
    return values[codes].reshape(*codes.shape[:-1], -1, voices)
