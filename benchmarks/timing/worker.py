"""A contestant in a process of its own: it builds one flow and answers what it is asked.

A process each, so that a compiler that crashes or hangs takes only its contestant along, and that
no library's threads or memory are in another's way.
"""

from __future__ import annotations

import dataclasses
import logging
import signal
import statistics
import time
import warnings
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import torch
from peers import Architecture, Contestant, NotOffered, TorchContestant, adapter
from peers.contestant import log_normal

from timing.cases import Entrant, Work
from timing.memory import growth, return_what_is_freed
from timing.torch_steps import torch_step

__all__ = ["serve"]

SLICE = 0.25  # seconds of a turn, if a call is not longer
WARM_UP = 3
CHECKED = 256


def serve(
    connection: Connection, entrant: Entrant, architecture: Architecture, device: str, threads: int
) -> None:
    """Answer (method, *arguments) with (True, answer) or (False, reason), until None comes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its children
    warnings.simplefilter("ignore")  # the peers warn of many things
    logging.disable(logging.WARNING)  # and so does the compiler, of them
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    worker: _Worker | None = None
    for method, *arguments in iter(connection.recv, None):
        try:
            worker = worker or _Worker(entrant, architecture, device)
            connection.send((True, getattr(worker, method)(*arguments)))
        except NotOffered:
            connection.send((False, "not offered"))
        except Exception as error:  # a peer may raise anything
            text = (str(error).splitlines() or [""])[0][:120]
            connection.send((False, f"{type(error).__name__}: {text}"))


class _Worker:
    def __init__(self, entrant: Entrant, architecture: Architecture, device: str) -> None:
        self.entrant = entrant
        self.features = architecture.features
        self.device = device
        self.flow = _build(entrant, architecture)
        if isinstance(self.flow, TorchContestant):
            self.flow.module.to(device)
        self.step: Callable[[], None] = lambda: None

    def prepare(self, work: Work) -> float:
        """Make the step, warm it up, and return the seconds of its first call."""
        if work.step == "memory":
            return_what_is_freed()
            work = dataclasses.replace(work, step="train")
        self.step = self._step(work)
        first, *_ = (_seconds(self.step) for _ in range(WARM_UP))
        return first

    def turn(self, work: Work) -> float:
        """The median of the calls of one turn; the first refills the caches and does not count."""
        if work.step == "memory":
            return growth(self.step, self.device)
        times: list[float] = []
        while sum(times) < SLICE:
            times.append(_seconds(self.step))
        return 1e3 * statistics.median(times[1:] or times)

    @torch.no_grad()
    def check(self) -> float | None:
        """The largest error of a round trip of noise; None where there is no inverse.

        Raises:
            ValueError: a log-density is not finite.
        """
        device = self.device if isinstance(self.flow, TorchContestant) else "cpu"
        if isinstance(self.flow, TorchContestant):
            self.flow.module.eval()
        z = torch.randn(CHECKED, self.features).to(device)
        x, ladj = self.flow.to_data(z)
        if not (log_normal(z) - ladj).isfinite().all():
            raise ValueError("log_prob is not finite")
        try:
            back, _ = self.flow.to_base(x)
        except (NotImplementedError, KeyError):  # what normflows and FlowJAX raise, and Pyro
            return None
        return (back - z).abs().max().item()

    def _step(self, work: Work) -> Callable[[], None]:
        if isinstance(self.flow, TorchContestant):
            compiled = self.entrant.mode == "compiled"
            return torch_step(self.flow, work, self.features, compiled=compiled, device=self.device)
        from timing.jax_steps import jax_step  # JAX need not be there

        return jax_step(self.flow, work, self.features)


def _build(entrant: Entrant, want: Architecture) -> Contestant:
    library: Any = adapter(entrant.library)
    if want.kind == "planar":
        if not hasattr(library, "planar"):
            raise NotOffered
        return library.planar(want)
    if entrant.library == "diffeo" and want.kind.endswith("coupling"):
        return library.couplings(want, reversible=entrant.mode == "reversible")
    return library.build(want)


def _seconds(step: Callable[[], None]) -> float:
    start = time.perf_counter()
    step()
    return time.perf_counter() - start
