from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
import torch

import diffeo
from diffeo.errors import DataWarning, ModelFileError, TrainingError
from diffeo.objectives import negative_log_likelihood
from diffeo.training import loop

OPTIONS = {"epochs": 6, "batch_size": 60, "ema": 0.9, "patience": None, "progress": False}


@pytest.fixture(autouse=True)
def _checkpoint_every_epoch(monkeypatch):
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)


def same(one, other):
    a, b = one.state_dict(), other.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


class Stopping:
    """The negative log-likelihood that raises at its k-th call in training."""

    def __init__(self, call, error=RuntimeError):
        self.left = call
        self.error = error

    def __call__(self, model, x, context, weight):
        self.left -= model.training
        if self.left == 0:
            raise self.error("stopped")
        # draws, so that the random state must be resumed too
        return negative_log_likelihood(model, x + 0.01 * torch.randn_like(x), context, weight)


def interrupted(model, table, folder, call, **options):
    with pytest.raises(RuntimeError, match="stopped"):
        model.fit(table, checkpoint=folder, objective=Stopping(call), **{**OPTIONS, **options})


CHOICES = {
    "plain": {},
    "no validation": {"validation": None},
    "no average": {"ema": None},
    "patience": {"patience": 1, "lr": 0.05, "schedule": "constant"},
    "momentum": {"optimizer": lambda p, lr: torch.optim.SGD(p, lr=lr, momentum=0.9)},
    "weights": {"sample_weight": np.arange(1.0, 241.0)},
}


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("call", [2, 5, 11, 24])
def test_a_stopped_run_resumes_to_the_same_bits(small, table, tmp_path, choice, call):
    options = {**OPTIONS, **CHOICES[choice]}
    whole = small().fit(table, objective=Stopping(0), **options)
    if call > 4 * len(whole.record["history"]):
        pytest.skip("stops by itself before")
    interrupted(small(), table, tmp_path, call, **CHOICES[choice])
    resumed = small().fit(table, objective=Stopping(0), checkpoint=tmp_path, **options)
    assert same(resumed, whole)
    assert resumed.record["history"] == whole.record["history"]
    assert resumed.record["best_loss"] == whole.record["best_loss"]


def test_rounded_columns_and_a_composed_flow_resume(tmp_path, table):
    def build():
        coupling = diffeo.transforms.Coupling(2, diffeo.univariates.Affine(), hidden=(8,))
        return diffeo.Flow(diffeo.bases.StandardNormal(2), coupling)

    torch.manual_seed(0)
    start = build().state_dict()

    def fit(objective, **options):
        model = build()
        model.load_state_dict(start)
        with pytest.warns(DataWarning):
            model.fit(table.round(1), objective=objective, **OPTIONS, **options)
        return model

    with pytest.raises(RuntimeError, match="stopped"):
        fit(Stopping(9), checkpoint=tmp_path)
    assert same(fit(Stopping(0), checkpoint=tmp_path), fit(Stopping(0)))


def test_a_rolled_back_run_resumes_to_the_same_bits(small, table, tmp_path):
    class Flaky(Stopping):
        """Not finite on one batch, until the step was halved."""

        def __call__(self, model, x, context, weight):
            loss = super().__call__(model, x, context, weight)
            bad = model.training and rate["lr"] == 1e-3 and self.left == self.bad_at
            return loss * torch.nan if bad else loss

    rate = {"lr": 1e-3}

    class Recording(torch.optim.Adam):
        def step(self, closure=None):
            rate["lr"] = self.param_groups[0]["lr"]
            return super().step(closure)

    def fit(call, bad_at, **options):
        rate["lr"] = 1e-3
        objective = Flaky(call)
        objective.bad_at = bad_at
        model = small()
        fixed = {**OPTIONS, "optimizer": Recording, "schedule": "constant"}
        return model.fit(table, objective=objective, **fixed, **options)

    whole = fit(0, -6)
    assert whole.record["rollbacks"] == 1
    with pytest.raises(RuntimeError, match="stopped"):
        fit(20, 14, checkpoint=tmp_path)
    resumed = fit(0, None, checkpoint=tmp_path)
    assert resumed.record["rollbacks"] == 1
    assert same(resumed, whole)


def test_a_finished_run_is_read_back(small, table, tmp_path):
    options = {**OPTIONS, "checkpoint": tmp_path}
    whole = small().fit(table, **options)
    again = small().fit(table, **options)
    assert same(again, whole)
    assert again.record["history"] == whole.record["history"]


def test_a_run_that_ran_out_of_time_goes_on(small, table, tmp_path):
    options = {**OPTIONS, "checkpoint": tmp_path}
    short = small().fit(table, max_time=1e-6, **options)
    assert short.record["stopped"] == "max_time"
    longer = small().fit(table, **options)
    assert (longer.record["stopped"], len(longer.record["history"])) == ("epochs", 6)


def test_every_member_of_an_ensemble_resumes(small, table, tmp_path):
    def build():
        return diffeo.Ensemble(small(seed=0), small(seed=1))

    whole = build().fit(table, objective=Stopping(0), **OPTIONS)
    with pytest.raises(RuntimeError, match="stopped"):
        build().fit(table, objective=Stopping(30), checkpoint=tmp_path, **OPTIONS)
    resumed = build().fit(table, objective=Stopping(0), checkpoint=tmp_path, **OPTIONS)
    assert same(resumed, whole)


# -- a folder of something else ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"table": lambda x: x + 1e-4}, "other data"),
        ({"table": lambda x: x[:-1]}, "other data"),
        ({"validation": 0.2}, "other data"),
        ({"sample_weight": np.r_[2.0, np.ones(239)]}, "other data"),
        ({"lr": 2e-3}, "other options"),
        ({"epochs": 7}, "other options"),
        ({"seed": 1}, "other data and options"),
        ({"schedule": "constant"}, "other options"),
        ({"optimizer": torch.optim.SGD}, "other options"),
        ({"model": {"hidden": (9,)}}, "other model"),
        ({"model": {"seed": 1}}, "other model"),
        ({"double": True}, "other data and model"),
    ],
)
def test_another_run_in_the_folder_is_named(small, table, tmp_path, change, names):
    small().fit(table, checkpoint=tmp_path, **OPTIONS)
    before = (tmp_path / "checkpoint.safetensors").read_bytes()
    change = dict(change)
    changed = change.pop("table", lambda x: x)(table)
    model = small(**change.pop("model", {}))
    model = model.double() if change.pop("double", False) else model
    with pytest.raises(ModelFileError, match=f"a run with {names}; choose another folder"):
        model.fit(changed, checkpoint=tmp_path, **{**OPTIONS, **change})
    assert (tmp_path / "checkpoint.safetensors").read_bytes() == before


def test_a_foreign_file_in_the_folder_is_refused(small, table, tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(b"not a checkpoint")
    with pytest.raises(ModelFileError, match="not a safetensors file"):
        small().fit(table, checkpoint=tmp_path, **OPTIONS)
    small().save(path)
    with pytest.raises(ModelFileError, match="is a model, not a checkpoint"):
        small().fit(table, checkpoint=tmp_path, **OPTIONS)


def test_a_checkpoint_is_not_a_model(small, table, tmp_path):
    small().fit(table, checkpoint=tmp_path, **OPTIONS)
    with pytest.raises(ModelFileError, match="does not describe a model"):
        diffeo.load(tmp_path / "checkpoint.safetensors")


def test_a_full_disk_keeps_the_old_checkpoint_and_the_best_weights(
    small, table, tmp_path, monkeypatch
):
    interrupted(small(), table, tmp_path, 9)
    before = (tmp_path / "checkpoint.safetensors").read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    model = small()
    with pytest.raises(OSError, match="No space left"):
        model.fit(table, checkpoint=tmp_path, objective=Stopping(0), **OPTIONS)
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint.safetensors"]
    assert (tmp_path / "checkpoint.safetensors").read_bytes() == before
    assert np.isfinite(model.log_prob(table)).all()


def test_what_a_killed_writer_left_is_cleared(small, table, tmp_path):
    left = tmp_path / ".checkpoint.safetensors.123.tmp"
    left.write_bytes(b"half")
    small().fit(table, checkpoint=tmp_path, **OPTIONS)
    assert not left.exists()


def test_a_failed_run_leaves_a_folder_that_resumes(small, table, tmp_path):
    class Failing(Stopping):
        """Not finite from some call on."""

        def __call__(self, model, x, context, weight):
            loss = super().__call__(model, x, context, weight)
            return loss * torch.nan if self.left < self.error else loss

    options = {**OPTIONS, "checkpoint": tmp_path}
    with pytest.raises(TrainingError, match="epoch 3"):
        small().fit(table, objective=Failing(0, -8), **options)
    resumed = small().fit(table, objective=Failing(0, -1000), **options)
    assert len(resumed.record["history"]) == 6
    assert same(resumed, small().fit(table, objective=Failing(0, -1000), **OPTIONS))


# -- kill -9 -----------------------------------------------------------------------------------

SCRIPT = textwrap.dedent(
    """
    import sys
    import numpy as np, torch
    import diffeo
    from diffeo.training import loop

    torch.set_num_threads(1)
    loop.CHECKPOINT_SECONDS = 0.0
    x = np.random.default_rng(0).normal(size=(400, 2)).cumsum(1)
    model = diffeo.NSF(2, layers=1, hidden=(8,), bins=4, seed=0)
    print("ready", flush=True)
    model.fit(x, epochs=25, batch_size=60, patience=None, ema=0.99, progress=False,
              checkpoint=sys.argv[1])
    model.save(sys.argv[2])
    """
)


def run(folder, path, kill_after=None):
    """The exit status of the script, killed after so many seconds, and the time it took."""
    command = [sys.executable, "-c", SCRIPT, str(folder), str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        start = time.monotonic()
        try:
            process.wait(kill_after)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        return process.wait(), time.monotonic() - start


def test_kill_9_at_any_moment(tmp_path):
    whole, resumed = tmp_path / "whole.safetensors", tmp_path / "resumed.safetensors"
    status, duration = run(tmp_path / "a", whole)
    assert status == 0
    moments = random.Random(0)
    kills = [run(tmp_path / "b", resumed, duration * moments.uniform(0.2, 0.5))[0] for _ in "ab"]
    assert -signal.SIGKILL in kills
    assert run(tmp_path / "b", resumed)[0] == 0
    assert same(diffeo.load(resumed), diffeo.load(whole))
    assert [p.name for p in (tmp_path / "b").iterdir()] == ["checkpoint.safetensors"]
