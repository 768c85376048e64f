"""Pieces of several voices, one pitch a voice and step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from diffeo.errors import DataError
from diffeo.models.sequences.alphabet import Codes

__all__ = ["REST", "VoiceData", "pitch_alphabet"]

REST = "rest"
# pitches of MIDI
_HIGHEST = 127


@dataclass(frozen=True, eq=False)
class VoiceData:
    """Pieces of V voices: at each step the MIDI pitch of every voice, or -1 where it rests.

    ``diffeo.sequences.music.load_music(path, kind="voices").pieces`` are such pieces.

    Args:
        pieces: one array (steps, V) a piece, of whole numbers from -1 to 127.
        source: where they come from, for messages.

    Raises:
        DataError: no pieces, pieces of other shapes, or numbers that are no pitch; the place is
            named.

    Example:
        >>> import numpy as np
        >>> from diffeo.sequences.symbols import VoiceData
        >>> data = VoiceData([np.array([[67, 64, 60, 48], [67, 64, 60, -1]])])
        >>> len(data), data.voices
        (1, 4)
    """

    pieces: Sequence[Codes] = field(repr=False)
    source: str = "the pieces"

    def __post_init__(self) -> None:
        if not len(self.pieces):
            raise DataError(f"{self.source}: there are no pieces")
        found = [_checked(piece, i, self.source) for i, piece in enumerate(self.pieces)]
        for i, piece in enumerate(found):
            if piece.shape[1] != found[0].shape[1]:
                raise DataError(
                    f"{self.source}: piece {i} has {piece.shape[1]} voices, but piece 0 has "
                    f"{found[0].shape[1]}"
                )
        object.__setattr__(self, "pieces", tuple(found))

    def __len__(self) -> int:
        return len(self.pieces)

    @property
    def voices(self) -> int:
        """The number of voices V."""
        return int(self.pieces[0].shape[1])

    def subset(self, indices: Any) -> VoiceData:
        """The pieces at ``indices``: whole numbers, a mask, or a slice.

        Raises:
            IndexError: a piece that is not there.
        """
        chosen = np.arange(len(self))[indices]
        return replace(self, pieces=[self.pieces[i] for i in chosen])

    def ranges(self) -> Codes:
        """(V, 2): the lowest and the highest pitch of each voice; 0 and -1 where it only rests."""
        every = np.concatenate(list(self.pieces))
        found = []
        for voice in every.T:
            sounding = voice[voice >= 0]
            found.append([sounding.min(), sounding.max()] if len(sounding) else [0, -1])
        return np.array(found)


def _checked(piece: Any, i: int, source: str) -> Codes:
    array = np.asarray(piece)
    if array.ndim != 2 or 0 in array.shape or array.dtype.kind not in "iuf":
        raise DataError(
            f"{source}: piece {i} must be whole numbers of shape (steps, voices), got "
            f"{array.dtype} of shape {array.shape}"
        )
    bad = ~((array % 1 == 0) & (array >= -1) & (array <= _HIGHEST))
    if bad.any():
        step, voice = (int(k) for k in np.argwhere(bad)[0])
        raise DataError(
            f"{source}: piece {i} holds {array[step, voice]} at step {step}, voice {voice}; "
            f"pitches are whole numbers from 0 to {_HIGHEST}, and -1 is a rest"
        )
    return array.astype(np.int64)


def pitch_alphabet(data: VoiceData) -> tuple[str, ...]:
    """Names of symbols: a rest, and all pitches from the lowest to the highest of any voice."""
    ranges = data.ranges()
    ranges = ranges[ranges[:, 0] <= ranges[:, 1]]
    if not len(ranges):
        raise DataError(f"{data.source} holds nothing but rests")
    return (REST, *map(str, range(int(ranges[:, 0].min()), int(ranges[:, 1].max()) + 1)))
