"""`diffeo tune`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from cli_tables import refused, values, write_csv
from mixed_tables import mixed, write_mixed

import diffeo


def test_tune_saves_the_best_and_goes_on(run, tmp_path: Path) -> None:
    table, out = write_mixed(tmp_path / "t.csv", mixed(200)), tmp_path / "m.safetensors"
    result = run("tune", table, "-o", out, "--trials", 2, "--epochs", 1, "--schema", "age=real")
    assert result.code == 0, result.err
    assert result.out.count("\ntrial ") == 2  # the second one, and the head of the table
    assert "trial 1: nll " in result.out
    assert re.search(r"[+-]\d\.\d{4} ± \d\.\d{4} nats over the defaults", result.out)
    study = tmp_path / "m.study.db"
    assert study.exists()
    flow = diffeo.load(out)
    assert isinstance(flow, diffeo.TableFlow)
    assert flow.schema.column("age").kind == "real"
    assert flow.record["tuning"]["trials"] == 2
    assert "tuning        2 trials" in run("info", out).out
    arguments = ["--trials", 3, "--epochs", 1, "--schema", "age=real", "--study", study]
    again = run("tune", table, "-o", out, *arguments)
    assert again.code == 0
    assert "trial 3: " in again.out
    assert "trial 2: " not in again.out
    quiet = run("tune", table, "-o", out, *arguments, "--quiet")
    assert (quiet.code, quiet.out) == (0, "")


def test_numbers_have_more_families(run, tmp_path: Path) -> None:
    table, out = write_csv(tmp_path / "t.csv", values(120), "a,b,c"), tmp_path / "m.safetensors"
    arguments = ["--trials", 1, "--epochs", 1, "--model", "nsf,maf", "--columns", "a,c"]
    result = run("tune", table, "-o", out, *arguments)
    assert result.code == 0, result.err
    assert isinstance(diffeo.load(out), diffeo.NSF)
    assert diffeo.load(out).record["data"]["columns"] == ["a", "c"]
    assert "+0.0000 ± 0.0000 nats over the defaults" in result.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "nsf"], "'nsf' takes continuous numbers alone, and column 'age'"),
        (["--model", "nfs"], "did you mean nsf"),
        (["--trials", "0"], "expected a whole number >= 1"),
        (["--max-time", "-1"], "--max-time must be positive seconds"),
        (["--schema", "aeg=real"], "did you mean 'age'?"),
        (["--columns", "aeg"], "did you mean 'age'?"),
        (["--study", "STUDY"], "trials cannot be kept in"),
        (["--study", "sqlite:////absent/folder/s.db"], "unable to open database file"),
        (["--study", "nosql://me:secret@host/db"], "trials cannot be kept in nosql://me:***@host"),
    ],
)
def test_bad_flags_of_tune(run, tmp_path: Path, arguments: list[str], message: str) -> None:
    table = write_mixed(tmp_path / "t.csv", mixed(100).drop(columns=["name", "unit", "months"]))
    arguments = [str(table) if a == "STUDY" else a for a in arguments]
    result = run("tune", table, "-o", tmp_path / "m.safetensors", *arguments)
    refused(result, message, tmp_path, table)
    assert "secret" not in result.err


def test_ctrl_c_keeps_the_trials(run, tmp_path: Path, monkeypatch) -> None:
    from diffeo.training.loop import Trainer

    table, out = write_mixed(tmp_path / "t.csv", mixed(100)), tmp_path / "m.safetensors"
    whole, calls = Trainer._train_epoch, []

    def third(self, start):
        calls.append(start)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return whole(self, start)

    monkeypatch.setattr(Trainer, "_train_epoch", third)
    result = run("tune", table, "-o", out, "--trials", 4, "--epochs", 1)
    study = tmp_path / "m.study.db"
    assert result.code == 130
    assert f"interrupted: the same call with --study {study} goes on" in result.err
    assert not out.exists()
    result = run("tune", table, "-o", out, "--trials", 4, "--epochs", 1, "--study", study)
    assert result.code == 0, result.err
    assert "trial 2: " not in result.out
    assert "\n4 trials, " in result.out
