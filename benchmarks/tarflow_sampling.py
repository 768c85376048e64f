"""Time of drawing 32 x 32 images of 8 x 8 patches from TarFlow, beside naive recomputation.

The model has the default size and a few training steps on CIFAR-10, since the number of Jacobi
iterations depends on how strongly patches depend on one another. The ways take turns.

python benchmarks/tarflow_sampling.py
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch
from data import data_folder
from table import write_table
from torch import Tensor
from torch.nn import functional as F

from diffeo.models import TarFlow
from diffeo.transforms import TransformerAutoregressive

SHAPE = (3, 32, 32)
TARGET, TOLERANCE = 10.0, 1e-4
STEPS, BATCH, NOISE = 40, 8, 0.05
ROWS, THREADS, ROUNDS = (1, 16), (1, 2), 3
NAIVE = "naive recomputation"
Draw = Callable[[Tensor], Tensor]
Clock = Callable[[], float]
WINDOWS = {"one patch after another": 1, "windows of 8": 8, "a window of all 64": 64}
COLUMNS = [
    "threads",
    "images",
    "way",
    "median seconds",
    "naive / this, median",
    "passes a block",
    "patches computed a block",
    "largest difference",
    f"{TARGET:g} x, same to {TOLERANCE:g}",
]


def layers(flow: TarFlow) -> Iterator[TransformerAutoregressive]:
    return (m for m in flow.modules() if isinstance(m, TransformerAutoregressive))


def trained() -> TarFlow:
    """A flow of the default size after a few steps on CIFAR-10 with noise."""
    pixels = np.load(data_folder("images") / "cifar10_10k.npz")["x_train"]
    x = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1
    torch.manual_seed(0)
    flow = TarFlow(SHAPE, seed=0)
    optimizer = torch.optim.Adam(flow.parameters(), lr=5e-4)
    for _ in range(STEPS):
        rows = x[torch.randint(len(x), (BATCH,))]
        loss = -flow.log_prob(rows + NOISE * torch.randn_like(rows)).mean() / rows[0].numel()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(flow.parameters(), 5.0)
        optimizer.step()
    print(f"after {STEPS} steps: {loss.item():.3f} nats a dimension")
    return flow.eval()


def naive(flow: TarFlow, z: Tensor) -> Tensor:
    """One pass over all patches for each patch, in each block."""
    for layer in flow.transform:
        if not isinstance(layer, TransformerAutoregressive):
            # from patches to pixels
            z = layer(z)[0]
            continue
        z = z.flip(1) if layer.reverse else z
        found = torch.zeros_like(z)
        for t in range(z.shape[1]):
            params = layer._params(F.pad(found, (0, 0, 1, -1)), None, None)
            moved, _ = layer.univariate.forward(z.movedim(-1, 0), params)
            found[:, t] = moved.movedim(0, -1)[:, t]
        z = found.flip(1) if layer.reverse else found
    return z


def in_windows(flow: TarFlow, window: int | None, z: Tensor) -> Tensor:
    for layer in layers(flow):
        layer.window = window
    return flow.from_base(z)


def counted(flow: TarFlow, draw: Draw, z: Tensor, clock: Clock) -> tuple[float, Tensor, list[int]]:
    """Seconds of ``draw``, what it gives, and its passes and patches a block."""
    patches: list[int] = []
    hooks = [
        layer.network.register_forward_pre_hook(lambda _, given: patches.append(given[0].shape[1]))
        for layer in layers(flow)
    ]
    start = clock()
    x = draw(z)
    seconds = clock() - start
    for hook in hooks:
        hook.remove()
    return seconds, x, [round(len(patches) / len(hooks)), round(sum(patches) / len(hooks))]


@torch.no_grad()
def measure(flow: TarFlow, threads: int, rows: int, rounds: int) -> list[list[object]]:
    """A row of the table for each way."""
    torch.set_num_threads(threads)
    # CPU time is what other processes disturb least, but counts two threads twice
    clock = time.process_time if threads == 1 else time.perf_counter
    z = torch.randn(rows, *flow.base.event_shape, generator=torch.Generator().manual_seed(1))
    ways: dict[str, Draw] = {NAIVE: partial(naive, flow)}
    ways |= {name: partial(in_windows, flow, window) for name, window in WINDOWS.items()}
    flow.from_base(z)  # warms up
    turns = [
        {name: counted(flow, draw, z, clock) for name, draw in ways.items()} for _ in range(rounds)
    ]
    table: list[list[object]] = []
    for name in ways:
        ratio = statistics.median(turn[NAIVE][0] / turn[name][0] for turn in turns)
        seconds = statistics.median(turn[name][0] for turn in turns)
        _, x, counts = turns[0][name]
        off = (x - turns[0][NAIVE][1]).abs().max().item()
        reached = "yes" if ratio >= TARGET and off <= TOLERANCE else "no"
        last = ["", ""] if name == NAIVE else [off, reached]
        table.append([threads, rows, name, seconds, ratio, *counts, *last])
    return table


def write(flow: TarFlow, table: list[list[object]], rounds: int) -> None:
    size = sum(p.numel() for p in flow.parameters())
    write_table(
        "tarflow_sampling",
        "Sampling of TarFlow",
        COLUMNS,
        table,
        notes=[
            f"TarFlow of the default size (8 blocks of 4 layers, width 256; {size:,} parameters), "
            f"32 x 32 x 3 images of 64 patches, {STEPS} training steps of {BATCH} on CIFAR-10.",
            f"Medians of {rounds} turns: CPU seconds of one thread, seconds on the wall of two.",
            "Naive recomputation: a pass over all patches for each patch. Keys and values are kept "
            "in all other ways.",
            "A window slides on over patches that are final; patches in it are computed from what "
            "the last iteration made of those before (Jacobi).",
            "The default is the window of all 64 for one image, one patch after another for more.",
        ],
        seed=0,
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="turns of each way")
    rounds = parser.parse_args().rounds
    torch.set_num_threads(THREADS[0])
    flow = trained()
    table: list[list[object]] = []
    for threads in THREADS:
        for rows in ROWS:
            table += measure(flow, threads, rows, rounds)
            write(flow, table, rounds)


if __name__ == "__main__":
    main()
