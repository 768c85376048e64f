"""Pieces of several voices, and models of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from diffeo.errors import DataError
from diffeo.models import ArgmaxAutoregressive
from diffeo.sequences import fit_voices
from diffeo.sequences.music import MusicData
from diffeo.sequences.symbols import continued, harmonised, sample_voices
from diffeo.sequences.symbols.chorales import transposed_windows
from diffeo.sequences.symbols.pitches import (
    as_pitches,
    as_symbols,
    pitch_alphabet,
    voice_ranges,
)


def _pieces(count: int = 20, steps: int = 24) -> list[Any]:
    """A voice that walks, and one a fifth below it."""
    draw = np.random.default_rng(0)
    walks = 67 + draw.integers(-1, 2, (count, steps)).cumsum(1).clip(-5, 5)
    return [np.stack([walk, walk - 7], axis=1) for walk in walks]


@pytest.fixture(scope="module")
def model() -> ArgmaxAutoregressive:
    fitted: Any = fit_voices(
        MusicData(tuple(_pieces(40)), "voices"),
        steps=8,
        options={"dim": 32, "layers": 1, "dropout": 0.0},
        epochs=6,
        lr=0.01,
        progress=False,
    )
    return fitted


def test_pitches_come_back_from_symbols() -> None:
    piece = np.array([[67, -1], [68, 60]])
    data = MusicData((piece,), "voices")
    alphabet = pitch_alphabet(data)
    assert alphabet == ("rest", *map(str, range(60, 69)))
    rows = as_symbols(data, alphabet)
    assert rows.sequences[0].tolist() == [8, 0, 9, 1]
    assert np.array_equal(as_pitches(rows.sequences[0], alphabet, 2), piece)
    assert voice_ranges(data).tolist() == [[67, 68], [60, 60]]


def test_transposed_windows_stay_in_the_ranges() -> None:
    data = MusicData(tuple(_pieces()), "voices")
    alphabet = pitch_alphabet(data)
    windows = transposed_windows(data, alphabet, 8, copies=4, seed=0)
    assert np.array_equal(windows, transposed_windows(data, alphabet, 8, copies=4, seed=0))
    pitches = as_pitches(windows, alphabet, 2)
    assert (pitches[..., 0] - pitches[..., 1] == 7).all()
    ranges = voice_ranges(data)
    assert (pitches.min((0, 1)) >= ranges[:, 0]).all()
    assert (pitches.max((0, 1)) <= ranges[:, 1]).all()
    plain = transposed_windows(data, alphabet, 8, copies=1, seed=0)
    assert len(windows) > 2 * len(plain)


def test_a_voice_below_is_learned(model: ArgmaxAutoregressive) -> None:
    record = model.record["sequences"]
    assert (record["kind"], record["voices"]) == ("voices", 2)
    assert record["held_out_bits"] < 1.3  # log2(3) / 2 = 0.79 are the truth
    drawn = sample_voices(model, 5, steps=20, seed=0)
    assert drawn.shape == (5, 20, 2)
    assert (drawn[..., 0] - drawn[..., 1] == 7).mean() > 0.7


def test_a_given_voice_stays_and_gets_the_other(model: ArgmaxAutoregressive) -> None:
    melody = _pieces(1)[0][:, 0]
    upper = harmonised(model, melody, count=3, seed=0)
    assert upper.shape == (3, 24, 2)
    assert (upper[..., 0] == melody).all()
    assert (upper[..., 1] == melody - 7).mean() > 0.6
    lower = harmonised(model, melody - 7, voice=1, seed=0)
    assert (lower[..., 1] == melody - 7).all()
    assert (lower[..., 0] == melody).mean() > 0.6


def test_a_start_stays_and_goes_on(model: ArgmaxAutoregressive) -> None:
    start = _pieces(1)[0][:4]
    drawn = continued(model, start, 30, count=2, seed=0, temperature=0.8)
    assert drawn.shape == (2, 30, 2)
    assert (drawn[:, :4] == start).all()
    assert sample_voices(model, 2, temperature=0.5, seed=1).shape == (2, 8, 2)


def test_what_does_not_fit_is_named(model: ArgmaxAutoregressive) -> None:
    with pytest.raises(DataError, match="the melody holds the pitch 20 at step 1, voice 0"):
        harmonised(model, np.array([67, 20]))
    with pytest.raises(DataError, match="voice must be from 0 to 1, got 2"):
        harmonised(model, np.array([67]), voice=2)
    with pytest.raises(DataError, match=r"start has the shape \(steps, 2\), got \(3, 4\)"):
        continued(model, np.zeros((3, 4), int), 8)
    with pytest.raises(ValueError, match="steps must be at least 4, got 2"):
        continued(model, _pieces(1)[0][:4], 2)
    with pytest.raises(DataError, match="its symbols are no pitches"):
        sample_voices(ArgmaxAutoregressive(4, "ab", dim=8, layers=1))


@pytest.mark.parametrize(
    ("piece", "message"),
    [
        (np.array([[60, 200]]), "piece 0 holds 200 at step 0, voice 1; voices hold MIDI notes"),
        (np.array([[60.5, 60]]), "piece 0 holds 60.5 at step 0, voice 0"),
        (np.array([60, 60]), r"piece 0: a piece has the shape \(time, voices\)"),
        (np.array([["c4"]]), "piece 0: a piece holds whole numbers, got <U2"),
    ],
)
def test_what_is_no_pitch_is_named(piece: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        MusicData((piece,), "voices")
