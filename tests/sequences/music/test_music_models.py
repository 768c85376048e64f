"""From rolls to a model and back to music, in one call each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from music_examples import duet, rolls

import diffeo
from diffeo.errors import DataError
from diffeo.sequences import LatentSequenceFlow
from diffeo.sequences.music import MusicData, draw_music, fit_rolls, nats_per_step

SIZES: dict[str, Any] = {"latent": 2, "hidden": 8, "step_hidden": (8,)}


@pytest.fixture(scope="module")
def model() -> Any:
    return fit_rolls(rolls(), options=SIZES, epochs=2, progress=False)


def test_a_fit_says_what_it_was_fitted_to_and_how_well_it_does(model, tmp_path):
    said = model.record["music"]
    assert (said["pieces"], said["held_out_pieces"], said["step"], said["low"]) == (18, 2, 1.0, 21)
    assert 0 < said["held_out_nats"] < 88
    model.save(tmp_path / "m.safetensors")
    again = diffeo.load(tmp_path / "m.safetensors")
    found = nats_per_step(again, rolls(), num_samples=3)
    np.testing.assert_allclose(found, nats_per_step(model, rolls(), num_samples=3), rtol=1e-5)


def test_the_figure_of_held_out_pieces_is_over_all_their_steps(model):
    held_out = rolls(5)
    fitted = fit_rolls(rolls(), validation=held_out, options=SIZES, epochs=1, progress=False)
    each = nats_per_step(fitted, held_out, num_samples=10)
    expected = (each * held_out.lengths).sum() / held_out.lengths.sum()
    assert fitted.record["music"]["held_out_nats"] == pytest.approx(expected, rel=1e-6)


def test_longer_pieces_than_those_of_the_fit_are_scored(model):
    long = MusicData((np.zeros((40, 88)),))
    assert nats_per_step(model, long, num_samples=2).shape == (1,)


def test_a_model_draws_music_and_carries_it_on(model):
    drawn = draw_music(model, 3, 5, seed=1)
    assert drawn.lengths.tolist() == [5, 5, 5]
    again = draw_music(model, 3, 5, seed=1)
    assert all((a == b).all() for a, b in zip(drawn.pieces, again.pieces, strict=True))
    beginning = rolls().subset([2])
    longer = draw_music(model, 2, 7, prefix=beginning, prefix_steps=4)
    assert longer.lengths.tolist() == [7, 7]
    # twice a prefix, up to the length of the model
    assert draw_music(model, prefix=beginning, prefix_steps=5).lengths.tolist() == [model.steps]
    for piece in longer.pieces:
        np.testing.assert_array_equal(piece[:4], beginning.pieces[0][:4])


def test_voices_are_fitted_and_scored_as_rolls():
    voices = MusicData(duet().pieces * 6, "voices", step=0.25)
    fitted = fit_rolls(voices, options=SIZES, epochs=1, progress=False)
    assert fitted.record["music"]["step"] == 0.25
    assert nats_per_step(fitted, duet(), num_samples=2).shape == (2,)


def test_music_that_is_not_the_models_is_named(model):
    narrow = MusicData((np.zeros((3, 87)),), source="narrow.npz")
    with pytest.raises(DataError, match=r"narrow.npz holds rolls of 87 notes"):
        nats_per_step(model, narrow)
    with pytest.raises(DataError, match=r"steps of 0\.25 quarter notes"):
        nats_per_step(model, duet())
    with pytest.raises(DataError, match="20 pieces; a prefix is one"):
        draw_music(model, prefix=rolls())
    with pytest.raises(DataError, match="fewer than the 4"):
        draw_music(model, steps=4, prefix=rolls().subset([0]))
    with pytest.raises(DataError, match="no option 'depth'"):
        fit_rolls(rolls(), options={"depth": 3})
    high = MusicData((np.eye(88)[[87]],), low=40)
    with pytest.raises(DataError, match="the note 127 at step 0 is outside"):
        nats_per_step(LatentSequenceFlow(4, 88, **SIZES), high)
