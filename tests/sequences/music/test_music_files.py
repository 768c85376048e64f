"""Music in and out of files: round trips, parts, and what bad files say."""

from __future__ import annotations

import os
import wave
from pathlib import Path

import mido
import numpy as np
import pytest
from music_examples import duet, rolls

from diffeo.errors import DataError
from diffeo.sequences.music import (
    MusicData,
    Note,
    load_music,
    notes_of,
    plot_music,
    sound_of,
    split_pieces,
    write_music,
)
from diffeo.sequences.music.sound import RATE

ROOT = Path(__file__).resolve().parents[3]
SETS = Path(os.environ.get("DIFFEO_DATA", ROOT.parent / "shared" / "data")) / "music"


def _same(found: MusicData, expected: MusicData) -> None:
    assert (found.kind, found.step) == (expected.kind, expected.step)
    assert len(found) == len(expected)
    for one, other in zip(found.pieces, expected.pieces, strict=True):
        np.testing.assert_array_equal(one, other)


def test_notes_of_voices_and_rolls():
    data = duet()
    assert notes_of(data, 0) == [
        Note(0, 4, 72, 0),
        Note(0, 6, 48, 1),
        Note(4, 6, 74, 0),
        Note(6, 9, 50, 1),
    ]
    assert notes_of(data.as_rolls(), 0) == [
        note._replace(voice=0) for note in notes_of(data, 0)
    ]  # fmt: skip


def test_midi_files_give_back_voices_and_rolls(tmp_path):
    data = duet()
    paths = write_music(tmp_path / "duet.mid", data)
    assert [path.name for path in paths] == ["duet-1.mid", "duet-2.mid"]
    _same(load_music(tmp_path, kind="voices"), data)
    _same(load_music(tmp_path), data.as_rolls())
    alone = load_music(paths[1])
    _same(alone, data.as_rolls().subset([1]))
    assert alone.called(0) == str(paths[1])


def test_midi_is_what_other_programs_read(tmp_path):
    (path, _) = write_music(tmp_path / "duet.mid", duet(), tempo=90)
    file = mido.MidiFile(path)
    # ten sixteenths at 90 quarters a minute
    assert file.length == pytest.approx(10 / 4 * 60 / 90)
    played = [m for m in file if m.type == "note_on"]
    assert {(m.channel, m.note) for m in played} == {(0, 72), (1, 48), (0, 74), (1, 50)}


def test_midi_notes_are_rounded_to_the_grid_and_drums_left_out(tmp_path):
    file, track = mido.MidiFile(ticks_per_beat=96), mido.MidiTrack()
    track += [
        mido.Message("note_on", channel=9, note=38, time=0),
        mido.Message("note_on", channel=3, note=60, time=3),
        mido.Message("note_on", channel=3, note=60, velocity=0, time=90),  # an end
        mido.Message("note_on", channel=5, note=64, time=10),
        mido.Message("note_off", channel=5, note=64, time=1),
        mido.Message("note_on", channel=3, note=62, time=40),
    ]
    file.tracks.append(track)
    file.save(tmp_path / "played.mid")
    voices = load_music(tmp_path / "played.mid", kind="voices", step=0.5).pieces[0]
    # sixteenths of 24 ticks would have the short note once, too
    assert voices.tolist() == [[60, -1], [60, -1], [-1, 64], [62, -1]]


def test_archives_give_back_what_was_written(tmp_path):
    for data in (duet(), rolls()):
        (path,) = write_music(tmp_path / "pieces.npz", data)
        _same(load_music(path), data)


def test_the_step_of_an_archive_is_its_own(tmp_path):
    (path,) = write_music(tmp_path / "pieces.npz", duet())
    assert load_music(path, step=0.25).step == 0.25
    with pytest.raises(DataError, match=r"steps are of 0\.25 quarter notes, not 1"):
        load_music(path, step=1.0)
    np.savez(tmp_path / "silent.npz", pieces=np.zeros((3, 88), np.uint8), pieces_len=[3])
    assert load_music(tmp_path / "silent.npz").step == 1.0
    assert load_music(tmp_path / "silent.npz", step=0.5).step == 0.5


def test_parts_of_archives_and_folders(tmp_path):
    data = rolls(6)
    packed = np.packbits(np.concatenate(data.pieces), axis=1)
    lengths = data.lengths
    np.savez(
        tmp_path / "parts.npz",
        train=packed,
        train_len=lengths,
        valid=packed[: lengths[0]],
        valid_len=lengths[:1],
    )
    _same(load_music(tmp_path / "parts.npz", split="train"), data)
    _same(load_music(tmp_path / "parts.npz", split="validation"), data.subset([0]))
    with pytest.raises(DataError, match="split='train' or split='validation'"):
        load_music(tmp_path / "parts.npz")
    for part in ("train", "test"):
        (tmp_path / "folder" / part).mkdir(parents=True)
        write_music(tmp_path / "folder" / part / "a.mid", duet().subset([part == "test"]))
    assert load_music(tmp_path / "folder", split="test").lengths.tolist() == [3]


def test_sound_has_the_pitch_and_the_length_of_its_notes(tmp_path):
    data = MusicData((np.array([[69]] * 4 + [[-1]] * 4),), "voices", step=0.25)
    sound = sound_of(data, 0, tempo=60)
    spectrum = np.abs(np.fft.rfft(sound[: RATE // 2]))
    assert spectrum.argmax() * 2 == 440
    assert np.abs(sound).max() == pytest.approx(0.9)
    assert np.abs(sound[int(1.2 * RATE) :]).max() == 0
    (path,) = write_music(tmp_path / "a.wav", data, tempo=60)
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels()) == (RATE, 1)
        assert file.getnframes() == len(sound)
    silence = MusicData((np.full((2, 1), -1),), "voices")
    assert not sound_of(silence, 0).any()


def test_pictures_show_every_note_once(tmp_path):
    figure = plot_music(duet(), titles=["one", "two"])
    for axes, count in zip(figure.axes, (4, 4), strict=True):
        assert len(axes.collections) == count
    assert figure.axes[0].get_title() == "one"
    (path,) = write_music(tmp_path / "duet.png", duet())
    assert path.read_bytes().startswith(b"\x89PNG")


def test_pieces_are_split_by_a_seed():
    data = rolls(10)
    train, held_out = split_pieces(data, 0.3, seed=1)
    assert (len(train), len(held_out)) == (7, 3)
    again, _ = split_pieces(data, 0.3, seed=1)
    assert (again.lengths == train.lengths).all()
    with pytest.raises(DataError, match="cannot be split"):
        split_pieces(data.subset([0]), 0.3)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.mid", b"", "a.mid is empty"),
        ("a.mid", b"RIFF....", "a.mid is no MIDI file: it begins with b'RIFF'"),
        ("a.mid", b"MThd\x00\x00\x00\x06\x00\x01\x00\x09\x01\xe0MTrk\x00\x00", "damaged MIDI"),
        ("a.npz", b"PK\x03\x04 nothing", "damaged"),
        ("a.mp3", b"ID3", "music is read from"),
    ],
)
def test_files_that_hold_no_music_are_named(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=said):
        load_music(tmp_path / name)


def test_bad_midi_music_is_named(tmp_path):
    silent = MusicData((np.full((4, 1), -1),), "voices")
    (path,) = write_music(tmp_path / "silent.mid", silent)
    with pytest.raises(DataError, match=r"silent.mid is a MIDI file without notes"):
        load_music(path)
    deep = MusicData((np.array([[60]] * 6 + [[15]] * 2),), "voices", step=0.5)
    (path,) = write_music(tmp_path / "deep.mid", deep)
    with pytest.raises(DataError, match=r"deep.mid: the note 15 at quarter note 3 is outside"):
        load_music(path)
    assert load_music(path, kind="voices", step=0.5).note_range == (15, 60)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty holds no .mid"):
        load_music(tmp_path / "empty")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load_music(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"x": np.zeros(3)}, "no music"),
        ({"train": np.zeros((9, 88), np.uint8), "train_len": [4, 4]}, "8 steps .* has 9"),
        ({"train": np.zeros((4, 88)), "train_len": [4]}, "whole numbers"),
        ({"train": np.full((4, 88), 2, np.uint8), "train_len": [4]}, "piece 0 holds 2 at step 0"),
        ({"train": np.full((4, 4), -3, np.int8), "train_len": [1, 3]}, "piece 0 holds -3"),
        ({"train": np.zeros((4, 88), np.uint8), "train_len": [4, 0]}, ">= 1"),
    ],
)
def test_bad_archives_are_named(tmp_path, arrays, said):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(DataError, match=said):
        load_music(tmp_path / "a.npz")


def test_bad_pieces_are_named():
    good = np.zeros((3, 88))
    with pytest.raises(DataError, match="no pieces"):
        MusicData(())
    with pytest.raises(DataError, match="piece 1"):
        MusicData((good, np.zeros((3, 87))))
    with pytest.raises(DataError, match="piece 1"):
        MusicData((good, np.zeros((0, 88))))
    with pytest.raises(DataError, match="piece 0: the note 20 at step 2"):
        MusicData((np.array([[60], [60], [20]]),), "voices").as_rolls()
    with pytest.raises(DataError, match="as_rolls"):
        duet().padded()
    with pytest.raises(DataError, match="silent"):
        _ = MusicData((good,)).note_range


def test_nothing_half_written_is_left(tmp_path, monkeypatch):
    with pytest.raises(OSError, match="folder does not exist"):
        write_music(tmp_path / "no" / "a.mid", duet().subset([0]))
    with pytest.raises(DataError, match="written to"):
        write_music(tmp_path / "a.mp3", duet())
    with pytest.raises(ValueError, match="tempo"):
        write_music(tmp_path / "a.mid", duet(), tempo=0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(
    not SETS.is_dir(), reason=f"no {SETS}: name the folder of the data in DIFFEO_DATA"
)
def test_chorales_and_rolls_of_the_benchmarks():
    jsb = load_music(SETS / "jsb.npz", split="train")
    assert (len(jsb), jsb.lengths.sum(), jsb.note_range) == (229, 13807, (43, 96))
    chorales = load_music(SETS / "jsb16_satb.npz", split="test")
    assert (len(chorales), chorales.kind, chorales.width, chorales.step) == (77, "voices", 4, 0.25)
    assert chorales.as_rolls().pieces[0].sum(1).max() == 4
