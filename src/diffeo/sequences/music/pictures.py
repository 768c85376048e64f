"""Music as piano rolls one can look at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from diffeo.errors import import_extra
from diffeo.sequences.music.events import notes_of
from diffeo.sequences.music.music_data import MusicData

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["plot_music"]

_WIDTH, _HEIGHT = 9.0, 2.2  # inches of a piece
_SEAM = 0.08  # of a step
# of colour-blind readers' eyes too; one for each voice in turn
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
# white keys are the notes of C major
_BLACK = {1, 3, 6, 8, 10}


def plot_music(data: MusicData, *, titles: Sequence[str] | None = None) -> Figure:
    """Draw every piece as a piano roll: time to the right in quarter notes, pitch upwards.

    Voices have colours of their own.

    Args:
        data: the music, a few pieces of it.
        titles: of the pieces; by default their names.

    Returns:
        A matplotlib figure.

    Raises:
        MissingExtraError: matplotlib is not installed.

    Example:
        >>> import numpy as np
        >>> from diffeo.sequences.music import MusicData, plot_music
        >>> data = MusicData((np.array([[60, 48], [62, -1]]),), "voices")
        >>> len(plot_music(data, titles=["two voices"]).axes)
        1
    """
    figure: Figure = import_extra("matplotlib.figure", "report").Figure(
        figsize=(_WIDTH, _HEIGHT * len(data)), layout="constrained"
    )
    each = [notes_of(data, i) for i in range(len(data))]
    pitches = [note.pitch for notes in each for note in notes] or [60]
    low, high = min(pitches) - 2, max(pitches) + 2
    titles = data.names if titles is None else titles
    for i, (notes, axes) in enumerate(
        zip(each, figure.subplots(len(data), squeeze=False)[:, 0], strict=True)
    ):
        for pitch in range(low, high + 1):
            if pitch % 12 in _BLACK:
                axes.axhspan(pitch - 0.5, pitch + 0.5, color="0.95", linewidth=0)
        for note in notes:
            # a seam between notes that follow one another
            start, length = note.start, note.end - note.start - _SEAM
            colour = _COLOURS[note.voice % len(_COLOURS)]
            axes.broken_barh(
                [(start * data.step, length * data.step)], (note.pitch - 0.4, 0.8), color=colour
            )
        axes.set(
            xlim=(0, len(data.pieces[i]) * data.step),
            ylim=(low - 0.5, high + 0.5),
            ylabel="MIDI note",
            title=None if titles is None else titles[i],
        )
    axes.set_xlabel("quarter notes")
    return figure
