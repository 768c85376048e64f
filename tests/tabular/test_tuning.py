"""The search for a model of a table: what it compares, goes on with, stops and refuses."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import diffeo
from diffeo.errors import DataError, UnknownModelError
from diffeo.tabular import tune
from diffeo.tabular.candidates import candidate
from diffeo.tabular.typed import typed_columns


def numbers(rows: int = 200) -> pd.DataFrame:
    draw = np.random.default_rng(0)
    x = draw.normal(size=rows)
    return pd.DataFrame({"x": x, "y": x**2 + 0.1 * draw.normal(size=rows)})


def labelled(rows: int = 200) -> pd.DataFrame:
    frame = numbers(rows)
    return frame.assign(z=np.where(frame.x > 0, "up", "down"))


def settings(found) -> list[tuple]:
    return [tuple(trial.values.values()) for trial in found.trials]


def test_the_default_comes_first_and_the_best_is_fitted_to_all_rows() -> None:
    frame = labelled()
    found = tune(frame, trials=3, epochs=3, seed=1)
    first = found.trials[0].values
    assert (first["model"], first["width"], first["layers"]) == ("table", 128, 2)
    assert found.setting == min(found.trials, key=lambda t: t.value or np.inf).values
    assert isinstance(found.model, diffeo.TableFlow)
    data = found.model.record["data"]
    assert data["rows"] + data["validation_rows"] == 200
    assert found.model.arguments()["width"] == found.setting["width"]
    assert found.rows == 40
    assert np.isfinite(found.gain)
    assert found.model.record["tuning"]["trials"] == 3


def test_the_gain_is_that_over_a_fit_with_defaults() -> None:
    # one epoch of Adam at 0.0003 or at 0.03: the search must see which is which
    found = tune(labelled(400), trials=6, epochs=1, seed=0)
    worse, better = (f(t.value for t in found.trials if t.value) for f in (max, min))
    assert worse - better > 0.1
    if found.setting == found.trials[0].values:
        assert (found.gain, found.gain_error) == (0, 0)
    else:
        assert found.gain_error > 0


@pytest.mark.parametrize("name", ["table", "continuous", "nsf"])
def test_families_are_scored_in_the_same_units(name: str) -> None:
    # ten times the numbers: ten times less density, in each of two columns
    scores = []
    for scale in (1.0, 10.0):
        frame = scale * numbers()
        family = candidate(name, typed_columns(frame, None), 0, {"epochs": 2, "progress": False})
        reported: list[tuple[float, float]] = []
        model = family.fit(
            {"width": 16, "layers": 1, "lr": 1e-3, "batch_size": 64},
            frame[:150],
            frame[150:],
            report=lambda *told, reported=reported: reported.append(told),
        )
        scores.append(family.log_prob(model, frame[150:]).mean())
        if name != "continuous":
            assert [share for share, _ in reported] == [0.5, 1.0]
            # the loss of training is what is scored, but for rows' orders and steps since
            assert reported[-1][1] == pytest.approx(-scores[-1], abs=0.3)
    assert scores[0] - scores[1] == pytest.approx(2 * np.log(10), abs=0.02)


def test_a_search_goes_on_where_it_stopped(tmp_path) -> None:
    frame, study = labelled(), tmp_path / "s.db"
    told = []
    first = tune(frame, trials=2, epochs=1, study=study, done=told.append)
    assert len(told) == 2
    second = tune(frame, trials=3, epochs=1, study=study, done=told.append)
    assert len(told) == 3
    assert settings(second)[:2] == settings(first)
    # other rows are another study
    tune(frame[:150], trials=1, epochs=1, study=study, done=told.append)
    assert len(told) == 4


def test_hopeless_trials_are_stopped(monkeypatch) -> None:
    monkeypatch.setattr("diffeo.tabular.tuning.WARMUP", 1)
    found = tune(numbers(), models=["nsf"], trials=9, epochs=6, seed=2)
    stopped = [trial for trial in found.trials if trial.value is None]
    assert stopped
    for trial in stopped:
        assert 0 < len(trial.curve) < 6
    assert all(len(t.curve) == 5 for t in found.trials if t.value is not None)


def test_time_ends_the_search() -> None:
    found = tune(labelled(), trials=10_000, epochs=20, max_time=2.0)
    assert 1 <= len(found.trials) < 200
    assert np.isfinite(found.log_likelihood)


def test_ctrl_c_ends_the_search(monkeypatch) -> None:
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("diffeo.training.loop.Trainer._train_epoch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        tune(labelled(), trials=2, epochs=1)


def test_what_cannot_be_searched() -> None:
    with pytest.raises(DataError, match="at least 50 rows, got 49"):
        tune(labelled(49), trials=1)
    with pytest.raises(DataError, match="'nsf' takes continuous numbers alone, and column 'z'"):
        tune(labelled(), models=["table", "nsf"], trials=1)
    with pytest.raises(UnknownModelError, match="did you mean nsf"):
        tune(numbers(), models=["nfs"], trials=1)
    with pytest.raises(ValueError, match="names no family"):
        tune(numbers(), models=[], trials=1)
    with pytest.raises(ValueError, match="trials must be at least 1"):
        tune(numbers(), trials=0)
    with pytest.raises(DataError, match="no such column"):
        tune(numbers(), schema={"q": "real"}, trials=1)
