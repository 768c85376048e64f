"""Activation memory and time of training steps of Glow, reversible and not, beside normflows.

Writes results/image_memory.md. Each flow lives in a process of its own. Memory is what torch's
allocator hands out and takes back during one step; times are processor time of one thread, which
other jobs of the machine hardly change, and the processes take turns.
"""

from __future__ import annotations

import argparse
import importlib.util
import multiprocessing
import statistics
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection

import torch
from peers.normflows_glow import normflows_glow
from table import write_table
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

import diffeo

SHAPE, SCALES, STEPS, HIDDEN, BATCH = (3, 32, 32), 3, 32, 128, 16
MEBI = 2**20
SEED = 0
REVERSIBLE, ORDINARY, PEER = "diffeo Glow, reversible", "diffeo Glow", "normflows Glow"
MEMORY_LIMIT, TIME_LIMIT = 1 / 6, 1.5

Loss = Callable[[Tensor], Tensor]


def main(rounds: int) -> None:
    names = [REVERSIBLE, ORDINARY]
    if importlib.util.find_spec("normflows") is not None:
        names.append(PEER)
    players = {name: Player(name) for name in names}
    seconds = taken_in_turns(players, rounds)
    memory = {name: player.ask("memory") for name, player in players.items()}
    rows = [
        [
            name,
            players[name].parameters,
            round(memory[name], 1),
            round(memory[name] / memory[ORDINARY], 3),
            round(seconds[name], 3),
            round(seconds[name] / seconds[ORDINARY], 2),
            round(memory[name] / memory[PEER], 3) if PEER in memory else None,
        ]
        for name in names
    ]
    if PEER not in names:
        rows.append([PEER, "not measured", *[None] * 5])
    of_memory = memory[REVERSIBLE] / memory[ORDINARY]
    of_time = seconds[REVERSIBLE] / seconds[ORDINARY]
    write_table(
        "image_memory",
        "Glow in little memory",
        [
            "flow",
            "parameters",
            "activations, MiB",
            "of ordinary",
            "step, s of one thread",
            "of ordinary",
            "memory of normflows'",
        ],
        rows,
        notes=[
            f"{SCALES} scales of {STEPS} steps, couplings of {HIDDEN} channels, batches of {BATCH} "
            f"images of {SHAPE}, Adam, float32.",
            "Activations: most bytes that tensors of a step hold at one time above those held "
            "before it, which are parameters, gradients and optimiser state. Scratch memory inside "
            "a convolution is not counted.",
            f"Step: processor time of one thread, median of {rounds} steps of processes that take "
            "turns.",
            f"Aims: reversible at most 1/6 of ordinary memory ({_met(of_memory, MEMORY_LIMIT)}: "
            f"1/{1 / of_memory:.1f}) at no more than {TIME_LIMIT} times the time "
            f"({_met(of_time, TIME_LIMIT)}: {of_time:.2f}).",
            "normflows' couplings have the same convolutions (3 x 3, 1 x 1, 3 x 3); its normal of "
            "the channels that are factored out does not depend on the others.",
        ],
        seed=SEED,
        packages=("normflows",),
    )


def _met(value: float, limit: float) -> str:
    return "met" if value <= limit else "missed"


def taken_in_turns(players: dict[str, Player], rounds: int) -> dict[str, float]:
    """Median seconds of a step."""
    times: dict[str, list[float]] = {name: [] for name in players}
    for _ in range(rounds):
        for name, player in players.items():
            times[name].append(player.ask("time"))
    return {name: statistics.median(found) for name, found in times.items()}


class Player:
    """A flow in a process of its own, whose libraries and memory are in nobody's way.

    Attributes:
        parameters: how many the flow has.
    """

    def __init__(self, name: str) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, name), daemon=True)
        self.process.start()
        theirs.close()
        self.parameters = int(self._received())

    def ask(self, what: str) -> float:
        """The "time" or the "memory" of one more step."""
        self.connection.send(what)
        return self._received()

    def _received(self) -> float:
        found: float = self.connection.recv()
        return found


def _serve(connection: Connection, name: str) -> None:
    warnings.simplefilter("ignore")  # normflows calls what torch has replaced
    torch.set_num_threads(1)
    flow, loss = _flow(name)
    connection.send(sum(p.numel() for p in flow.parameters()))
    step = _step(flow, loss)
    step()
    # it ends with the parent, whose end of the connection closes
    with suppress(EOFError):
        while True:
            timed = connection.recv() == "time"
            connection.send(_seconds(step) if timed else _most_held(step, flow))


def _seconds(step: Callable[[], None]) -> float:
    start = time.process_time()
    step()
    return time.process_time() - start


def _most_held(step: Callable[[], None], flow: nn.Module) -> float:
    """MiB that tensors hold at most during a step, above what they held before it."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
        step()
    events = [e for e in record.profiler.kineto_results.events() if e.name() == "[memory]"]
    live = most = 0
    for event in sorted(events, key=lambda e: e.start_ns()):
        live += event.nbytes()
        most = max(most, live)
    # of the gradients the step frees the old ones, which the profiler does not know, and makes new
    return (most - sum(p.nbytes for p in flow.parameters())) / MEBI


def _flow(name: str) -> tuple[nn.Module, Loss]:
    torch.manual_seed(SEED)
    if name == PEER:
        model = normflows_glow(SHAPE, SCALES, STEPS, HIDDEN)
        return model, lambda x: -model.log_prob(x, None).mean()
    flow = diffeo.Glow(
        SHAPE, scales=SCALES, steps=STEPS, hidden=HIDDEN, seed=SEED, reversible=name == REVERSIBLE
    )
    flow.initialize(_images())
    return flow, lambda x: -flow.log_prob(x).mean()


def _step(flow: nn.Module, loss: Loss) -> Callable[[], None]:
    x = _images()
    optimizer = torch.optim.Adam(flow.parameters(), lr=1e-4)

    def step() -> None:
        optimizer.zero_grad()
        loss(x).backward()
        optimizer.step()

    return step


def _images() -> Tensor:
    return torch.randn(BATCH, *SHAPE, generator=torch.Generator().manual_seed(SEED))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    main(parser.parse_args().rounds)
