"""Music: loading and writing it, and models of it."""

from diffeo.sequences.music.detect import holds_music
from diffeo.sequences.music.drawing import draw_music
from diffeo.sequences.music.events import Note, notes_of
from diffeo.sequences.music.fitting import fit_rolls
from diffeo.sequences.music.judging import nats_per_step
from diffeo.sequences.music.loading import load_music, split_pieces
from diffeo.sequences.music.matching import step_of
from diffeo.sequences.music.music_data import MusicData
from diffeo.sequences.music.pictures import plot_music
from diffeo.sequences.music.sound import sound_of
from diffeo.sequences.music.writing import MUSIC_FILES, write_music

__all__ = [
    "MUSIC_FILES",
    "MusicData",
    "Note",
    "draw_music",
    "fit_rolls",
    "holds_music",
    "load_music",
    "nats_per_step",
    "notes_of",
    "plot_music",
    "sound_of",
    "split_pieces",
    "step_of",
    "write_music",
]
