"""Pieces of music on a grid of time: which notes sound, or what each voice sings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from diffeo.errors import DataError
from diffeo.labels import first_index

__all__ = ["LOWEST", "NOTES", "Array", "Kind", "MusicData"]

Array: TypeAlias = npt.NDArray[Any]
Kind: TypeAlias = Literal["rolls", "voices"]

# the piano: 88 notes from A0 on, as MIDI numbers them
LOWEST, NOTES = 21, 88
REST = -1


@dataclass(frozen=True, eq=False)
class MusicData:
    """Pieces of any lengths on a grid of time.

    A roll is (time, notes): 1 where a note sounds, 0 where not. Voices are (time, voices): the
    MIDI number of the note of each voice, -1 where it rests. A note that goes on and one that is
    struck again look the same.

    Args:
        pieces: whole numbers, all of one width.
        kind: "rolls" or "voices".
        low: the MIDI number of a roll's first column; 21 is A0.
        step: quarter notes a time step.
        source: where they come from, for messages.
        names: of the pieces, or None.

    Raises:
        DataError: no pieces, one without steps, of another width or with other values; the place
            is named.

    Example:
        >>> import numpy as np
        >>> from diffeo.sequences.music import MusicData
        >>> chord = np.array([[60, 55, 52, 48]])
        >>> data = MusicData((np.repeat(chord, 8, axis=0),), "voices", step=0.25)
        >>> data.lengths, data.note_range, data.as_rolls().pieces[0].shape
        (array([8]), (48, 60), (8, 88))
    """

    pieces: tuple[Array, ...] = field(repr=False)
    kind: Kind = "rolls"
    low: int = LOWEST
    step: float = 1.0
    source: str = "the music"
    names: tuple[str, ...] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.kind not in ("rolls", "voices"):
            raise DataError(f"{self.source}: kind must be 'rolls' or 'voices', got {self.kind!r}")
        if not (np.isfinite(self.step) and self.step > 0):
            raise DataError(f"{self.source}: step must be quarter notes > 0, got {self.step!r}")
        if not self.pieces:
            raise DataError(f"{self.source} holds no pieces")
        if self.names is not None and len(self.names) != len(self.pieces):
            raise DataError(f"{self.source}: {len(self.names)} names for {len(self.pieces)} pieces")
        dtype = np.uint8 if self.kind == "rolls" else np.int16
        checked = tuple(self._checked(i, np.asarray(p)) for i, p in enumerate(self.pieces))
        object.__setattr__(self, "pieces", tuple(piece.astype(dtype) for piece in checked))

    def _checked(self, i: int, piece: Array) -> Array:
        width = np.asarray(self.pieces[0]).shape[-1:]
        if piece.ndim != 2 or not len(piece) or piece.shape[1:] != width or not piece.shape[1]:
            raise DataError(
                f"{self.called(i)}: a piece has the shape (time, {self._what}) with at least one "
                f"step and the width of the others, {width}; got {piece.shape}"
            )
        if piece.dtype.kind not in "buif":
            raise DataError(f"{self.called(i)}: a piece holds whole numbers, got {piece.dtype}")
        least, most = (0, 1) if self.kind == "rolls" else (REST, 127)
        bad = ~((piece >= least) & (piece <= most) & (piece % 1 == 0))
        if bad.any():
            time, place = first_index(bad)
            meant = "0 or 1" if self.kind == "rolls" else "MIDI notes 0 to 127, or -1 for a rest"
            raise DataError(
                f"{self.called(i)} holds {piece[time, place]} at step {time}, "
                f"{self._what[:-1]} {place}; {self.kind} hold {meant}"
            )
        return piece

    @property
    def _what(self) -> str:
        return "notes" if self.kind == "rolls" else "voices"

    def called(self, i: int) -> str:
        """How messages call piece ``i``."""
        return f"{self.source}, piece {i}" if self.names is None else self.names[i]

    def __len__(self) -> int:
        return len(self.pieces)

    @property
    def width(self) -> int:
        """Notes of a roll, or voices."""
        return int(self.pieces[0].shape[1])

    @property
    def lengths(self) -> Array:
        """(N,): steps of each piece."""
        return np.array([len(piece) for piece in self.pieces])

    @property
    def note_range(self) -> tuple[int, int]:
        """The lowest and the highest MIDI note that sounds.

        Raises:
            DataError: nothing sounds.
        """
        if self.kind == "rolls":
            found = self.low + np.concatenate([np.nonzero(p.any(0))[0] for p in self.pieces])
        else:
            found = np.concatenate([piece[piece != REST] for piece in self.pieces])
        if not found.size:
            raise DataError(f"{self.source} is silent: no note sounds in any piece")
        return int(found.min()), int(found.max())

    def subset(self, indices: Sequence[int] | Array) -> MusicData:
        """The pieces at ``indices``.

        Raises:
            IndexError: a piece that is not there.
            DataError: none.
        """
        chosen = [int(i) for i in indices]
        names = None if self.names is None else tuple(self.names[i] for i in chosen)
        return replace(self, pieces=tuple(self.pieces[i] for i in chosen), names=names)

    def as_rolls(self, low: int | None = None, notes: int | None = None) -> MusicData:
        """The same music as rolls of so many notes from ``low`` on.

        Args:
            low, notes: by default those of the rolls, and of voices the 88 notes of the piano.

        Raises:
            DataError: a note outside of them; piece and step are named.
        """
        own = (self.low, self.width) if self.kind == "rolls" else (LOWEST, NOTES)
        low, notes = own[0] if low is None else low, own[1] if notes is None else notes
        if self.kind == "rolls" and (low, notes) == own:
            return self
        rolls = tuple(self._roll(i, low, notes) for i in range(len(self)))
        return replace(self, pieces=rolls, kind="rolls", low=low)

    def _roll(self, i: int, low: int, notes: int) -> Array:
        piece = self.pieces[i]
        if self.kind == "rolls":
            time, column = np.nonzero(piece)
            pitch = column + self.low
        else:
            time, voice = np.nonzero(piece != REST)
            pitch = piece[time, voice]
        outside = (pitch < low) | (pitch >= low + notes)
        if outside.any():
            (k,) = first_index(outside)
            raise DataError(
                f"{self.called(i)}: the note {pitch[k]} at step {time[k]} is outside the "
                f"{notes} notes from {low} to {low + notes - 1}"
            )
        roll = np.zeros((len(piece), notes), np.uint8)
        roll[time, pitch - low] = 1
        return roll

    def padded(self, steps: int | None = None) -> npt.NDArray[np.float32]:
        """(N, steps, width): the pieces, each filled up with -1, as models of rolls take them.

        Args:
            steps: by default those of the longest piece.

        Raises:
            DataError: a longer piece, or voices, whose rests are -1.
        """
        if self.kind == "voices":
            raise DataError(f"{self.source} holds voices; .as_rolls() gives rolls")
        steps = int(self.lengths.max()) if steps is None else steps
        out = np.full((len(self), steps, self.width), -1, np.float32)
        for i, piece in enumerate(self.pieces):
            if len(piece) > steps:
                raise DataError(f"{self.called(i)} has {len(piece)} steps, more than {steps}")
            out[i, : len(piece)] = piece
        return out
