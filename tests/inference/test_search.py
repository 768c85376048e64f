"""A study goes on where it stopped, stops hopeless trials and says what it cannot search."""

from __future__ import annotations

import math

import optuna
import pytest

from diffeo.errors import MissingExtraError, TrainingError
from diffeo.inference.search import Choices, Integers, Reals, search

SPACE = {"layers": Integers(2, 64, log=True), "lr": Reals(1e-3, 0.1, log=True)}


def _bowl(setting, report):
    return math.log10(setting["lr"] / 0.01) ** 2 + math.log2(setting["layers"] / 16) ** 2


def _settings(found):
    return [tuple(trial.values.values()) for trial in found.trials]


def test_finds_the_neighbourhood_of_a_minimum(tmp_path):
    found = search(_bowl, SPACE, trials=25, name="bowl", storage=tmp_path / "s.db")
    assert [trial.number for trial in found.trials] == list(range(25))
    assert found.best.value == min(trial.value for trial in found.trials)
    assert found.best.value < 0.6
    assert 2 <= found.best.values["layers"] <= 64


def test_an_interrupted_search_goes_on_as_if_it_had_not_been(tmp_path):
    whole = search(_bowl, SPACE, trials=14, name="bowl", storage=tmp_path / "whole.db", seed=3)
    calls = 0

    def interrupted(setting, report):
        nonlocal calls
        calls += 1
        if calls == 9:
            raise KeyboardInterrupt
        return _bowl(setting, report)

    parts = tmp_path / "parts.db"
    with pytest.raises(KeyboardInterrupt):
        search(interrupted, SPACE, trials=14, name="bowl", storage=parts, seed=3)
    done = []
    found = search(_bowl, SPACE, trials=14, name="bowl", storage=parts, seed=3, done=done.append)
    assert len(found.trials) == 14
    assert len(done) == 14 - 8
    # the eight before are those of the other search; none after it repeats one of them
    assert _settings(found)[:8] == _settings(whole)[:8]
    assert len(set(_settings(found))) == 14
    again = search(_bowl, SPACE, trials=14, name="bowl", storage=parts, done=done.append)
    assert _settings(again) == _settings(found)
    assert len(done) == 14 - 8


def test_a_url_and_a_path_are_the_same_study(tmp_path):
    path = tmp_path / "s.db"
    search(_bowl, SPACE, trials=3, name="a", storage=str(path))
    done = []
    found = search(_bowl, SPACE, trials=4, name="a", storage=f"sqlite:///{path}", done=done.append)
    assert len(found.trials) == 4
    assert len(done) == 1
    assert len(search(_bowl, SPACE, trials=2, name="b", storage=path).trials) == 2


def test_hopeless_trials_are_stopped(tmp_path):
    steps = []

    def objective(setting, report):
        for step in range(10):
            steps.append(step)
            report(step, _bowl(setting, report))
        return _bowl(setting, report)

    found = search(objective, SPACE, trials=20, name="s", storage=tmp_path / "s.db", warmup=2)
    stopped = [trial for trial in found.trials if trial.value is None]
    assert stopped
    assert all(2 < len(trial.curve) < 10 for trial in stopped)
    assert all(len(trial.curve) == 10 for trial in found.trials if trial.value is not None)
    assert found.best.value < 1


def test_diverged_trials_count_as_stopped(tmp_path):
    def objective(setting, report):
        if setting["lr"] > 0.05:
            raise TrainingError("the loss is NaN")
        return math.nan if setting["lr"] > 0.01 else 1.0

    found = search(objective, SPACE, trials=12, name="s", storage=tmp_path / "s.db")
    values = {trial.value for trial in found.trials}
    assert values == {None, 1.0}
    assert found.best.values["lr"] <= 0.01


def test_no_finished_trial_is_said(tmp_path):
    found = search(lambda *_: math.inf, SPACE, trials=2, name="s", storage=tmp_path / "s.db")
    with pytest.raises(ValueError, match="none of 2 trials"):
        _ = found.best


def test_another_space_under_the_same_name_is_refused(tmp_path):
    search(_bowl, SPACE, trials=1, name="s", storage=tmp_path / "s.db")
    with pytest.raises(ValueError, match="another space"):
        search(_bowl, {"lr": Reals(0, 1)}, trials=2, name="s", storage=tmp_path / "s.db")


@pytest.mark.parametrize(
    ("space", "trials", "message"),
    [
        (SPACE, 0, "trials must be at least 1"),
        ({}, 1, "names no setting"),
        ({"lr": Reals(1, 1)}, 1, "low < high, got"),
        ({"lr": Reals(0, 1, log=True)}, 1, "above 0, for a log scale"),
    ],
)
def test_impossible_searches_are_refused(space, trials, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        search(_bowl, space, trials=trials, name="s", storage=tmp_path / "s.db")


def test_a_missing_optuna_names_the_extra(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    with pytest.raises(MissingExtraError, match=r"diffeo\[tune\]"):
        search(_bowl, SPACE, trials=1, name="s", storage=tmp_path / "s.db")


def test_the_caller_s_verbosity_is_left_alone(tmp_path):
    before = optuna.logging.get_verbosity()
    search(_bowl, SPACE, trials=1, name="s", storage=tmp_path / "s.db")
    assert optuna.logging.get_verbosity() == before


def test_a_new_study_tries_the_first_setting_first_and_once(tmp_path):
    space = {"kind": Choices(("a", "b")), "lr": Reals(1e-3, 0.1, log=True)}
    first = {"kind": "b", "lr": 0.05}
    tried = []

    def objective(setting, report):
        tried.append(setting)
        return setting["lr"] + (setting["kind"] == "b")

    for trials in (4, 6):
        arguments = {"trials": trials, "name": "s", "storage": tmp_path / "s.db"}
        found = search(objective, space, first=first, **arguments)
    assert len(tried) == 6
    assert tried.count(first) == 1
    assert tried[0] == found.trials[0].values == first
    assert {setting["kind"] for setting in tried} == {"a", "b"}
    assert found.best.values["kind"] == "a"


def test_time_and_memory():
    found = search(_bowl, SPACE, trials=10**9, name="s", storage=None, max_time=0.3)
    assert 1 <= len(found.trials) < 10_000
    # nothing is left of a study in memory
    assert len(search(_bowl, SPACE, trials=2, name="s", storage=None).trials) == 2


def test_a_storage_that_cannot_be_used(tmp_path):
    with pytest.raises(ValueError, match=r"cannot be kept in nosql://me:\*\*\*@host/db") as caught:
        search(_bowl, SPACE, trials=1, name="s", storage="nosql://me:secret@host/db")
    assert "secret" not in str(caught.value)
    with pytest.raises(ValueError, match="'kind' has no values"):
        search(_bowl, {"kind": Choices(())}, trials=1, name="s", storage=None)
