"""Contestants as the parent sees them: a process that serves, or a script that is run anew."""

from __future__ import annotations

import math
import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Protocol

from peers import Architecture

from timing.cases import Entrant, Work
from timing.worker import serve

__all__ = ["FailedError", "Player", "Script", "Served", "environment"]

LIMIT = 150.0  # seconds for one answer: a first call with its compilation, or a turn
FAREWELL = 5.0  # seconds for a process to end by itself
SCRIPTS = Path(__file__).parent / "scripts"


class FailedError(Exception):
    """A contestant could not do what it was asked; the message says why."""


class Player(Protocol):
    """What ``contest`` asks of a contestant; all but ``close`` may raise ``FailedError``."""

    def prepare(self, work: Work) -> float: ...
    def turn(self, work: Work) -> float: ...
    def check(self) -> float | None: ...
    def close(self) -> None: ...


def environment(device: str, threads: int) -> None:
    """Settings that the children inherit, and read as they start."""
    os.environ["OMP_NUM_THREADS"] = str(threads)
    os.environ["NPROC"] = str(threads)  # XLA's name for it
    os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"  # a GPU is shared
    if device == "cpu":
        os.environ["JAX_PLATFORMS"] = "cpu"


class Served:
    """A flow in a process that answers questions."""

    def __init__(
        self, entrant: Entrant, architecture: Architecture, device: str, threads: int
    ) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(
            target=serve, args=(theirs, entrant, architecture, device, threads)
        )
        self.process.start()
        theirs.close()
        self.lost = ""

    def prepare(self, work: Work) -> float:
        return self._ask("prepare", work)

    def turn(self, work: Work) -> float:
        return self._ask("turn", work)

    def check(self) -> float | None:
        return self._ask("check")

    def close(self) -> None:
        if not self.lost:
            self.connection.send(None)
        self.process.join(FAREWELL)
        self.process.kill()
        self.process.join()
        self.connection.close()

    def _ask(self, *request: Any) -> Any:
        if self.lost:
            raise FailedError(self.lost)
        try:
            self.connection.send(request)
            if not self.connection.poll(LIMIT):
                self.process.kill()
                self._lose(f"no answer within {LIMIT:.0f} s")
            done, answer = self.connection.recv()
        except (EOFError, OSError):
            self.process.join()
            self._lose(f"the process died (exit code {self.process.exitcode})")
        if not done:
            raise FailedError(answer)
        return answer

    def _lose(self, reason: str) -> None:
        self.lost = reason
        raise FailedError(reason)


class Script:
    """A script of a whole fit; a turn is one process from its start to its end."""

    def __init__(self, entrant: Entrant, data: Path) -> None:
        self.path = SCRIPTS / f"{entrant.library.lower()}_fit.py"
        self.data = data

    def prepare(self, work: Work) -> float:
        """Nothing is warmed up: the first call is what is timed."""
        return 0.0

    def turn(self, work: Work) -> float:
        command = [sys.executable, "-W", "ignore", "-c", self.path.read_text("utf-8")]
        start = time.perf_counter()
        done = subprocess.run([*command, str(self.data)], capture_output=True, text=True)
        seconds = time.perf_counter() - start
        if done.returncode:
            raise FailedError((done.stderr.strip().splitlines() or ["no output"])[-1][:120])
        self.loss = float(done.stdout)
        return seconds

    def check(self) -> float | None:
        """The training loss of the last epoch, in nats, which must be finite."""
        if not math.isfinite(self.loss):
            raise FailedError("log_prob is not finite")
        return self.loss

    def close(self) -> None:
        pass
