"""The command as a process of its own: entry point, Ctrl-C, closed pipes."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

import diffeo
from diffeo.version import __version__

COMMAND = [sys.executable, "-c", "import sys; from diffeo.cli.main import main; sys.exit(main())"]


def test_entry_point() -> None:
    script = Path(sys.executable).parent / "diffeo"
    if not script.exists():
        pytest.skip("the package is not installed with its scripts")
    done = subprocess.run([script, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"diffeo {__version__}"
    done = subprocess.run([script, "info", "absent"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "diffeo: error: absent: No such file or directory\n"


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_keeps_the_best_weights(made: Path, tmp_path: Path) -> None:
    out = tmp_path / "m.safetensors"
    arguments = ["fit", made / "table.csv", "-o", out, "--epochs", "1000000", "--patience", "none"]
    with subprocess.Popen(
        [*COMMAND, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        shown = b""
        while b"loss: train" not in shown:  # the bar shows the first finished epoch
            piece = process.stderr.read1()
            assert piece, shown
            shown += piece
        process.send_signal(signal.SIGINT)
        printed, more = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"Traceback" not in more
    assert b"the best weights so far are kept" in more
    assert f"wrote {out}" in printed.decode()
    assert list(tmp_path.iterdir()) == [out]
    record = diffeo.load(out).record
    assert record["stopped"] == "interrupted"
    assert record["best_epoch"] >= 1


def test_ctrl_c_before_the_first_epoch_writes_nothing(run, made, tmp_path, monkeypatch) -> None:
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("diffeo.training.loop.Trainer._train_epoch", interrupted)
    result = run("fit", made / "table.csv", "-o", tmp_path / "m.safetensors", "--quiet")
    assert result.code == 130
    assert "no epoch was finished, so no model was written" in result.err
    assert not list(tmp_path.iterdir())


def test_ctrl_c_while_scoring_leaves_nothing(run, made, tmp_path, monkeypatch) -> None:
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(diffeo.NSF, "log_prob", interrupted)
    out = tmp_path / "s.csv"
    result = run("score", made / "plain.safetensors", made / "table.csv", "-o", out)
    assert (result.code, result.err) == (130, "diffeo: error: interrupted\n")
    assert not list(tmp_path.iterdir())


def test_a_closed_pipe_is_silent(made: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, "info", str(made / "plain.safetensors")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0
