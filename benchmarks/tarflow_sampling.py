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
STEPS, BATCH, NOISE = 60, 8, 0.05
ROWS, THREADS, ROUNDS = (1, 16), (1, 2), 3
WINDOWS = {"one patch after another": 1, "windows of 8": 8, "a window of all 64": 64}
COLUMNS = [
    "threads",
    "images",
    "way",
    "median seconds",
    "naive / this",
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
    *blocks, to_image, to_pixels = flow.transform
    for layer in blocks:
        z = z.flip(1) if layer.reverse else z
        found = torch.zeros_like(z)
        for t in range(z.shape[1]):
            params = layer._params(F.pad(found, (0, 0, 1, -1)), None, None)
            moved, _ = layer.univariate.forward(z.movedim(-1, 0), params)
            found[:, t] = moved.movedim(0, -1)[:, t]
        z = found.flip(1) if layer.reverse else found
    image: Tensor = to_pixels(to_image(z)[0])[0]
    return image


def in_windows(flow: TarFlow, window: int | None, z: Tensor) -> Tensor:
    for layer in layers(flow):
        layer.window = window
    return flow.from_base(z)


def passes(flow: TarFlow, draw: Callable[[Tensor], Tensor], z: Tensor) -> tuple[Tensor, int, int]:
    """What ``draw`` gives, its calls of a block's network, and the patches in these."""
    patches: list[int] = []
    hooks = [
        layer.network.register_forward_pre_hook(lambda _, given: patches.append(given[0].shape[1]))
        for layer in layers(flow)
    ]
    x = draw(z)
    for hook in hooks:
        hook.remove()
    return x, round(len(patches) / len(hooks)), round(sum(patches) / len(hooks))


@torch.no_grad()
def measure(flow: TarFlow, threads: int, rows: int, rounds: int) -> list[list[object]]:
    """A row of the table for each way."""
    torch.set_num_threads(threads)
    # CPU time is what other processes disturb least, but counts two threads twice
    clock = time.process_time if threads == 1 else time.perf_counter
    z = torch.randn(rows, *flow.base.event_shape, generator=torch.Generator().manual_seed(1))
    ways = {"naive recomputation": partial(naive, flow)}
    ways |= {name: partial(in_windows, flow, window) for name, window in WINDOWS.items()}
    ways |= {"default": partial(in_windows, flow, None)}
    seen = {name: passes(flow, draw, z) for name, draw in ways.items()}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, draw in ways.items():
            start = clock()
            draw(z)
            seconds[name].append(clock() - start)
    slow, *others = (statistics.median(values) for values in seconds.values())
    reference, *counts = seen["naive recomputation"]
    table: list[list[object]] = [[threads, rows, next(iter(ways)), slow, 1.0, *counts, None, ""]]
    for name, median in zip(list(ways)[1:], others, strict=True):
        x, *counts = seen[name]
        off = (x - reference).abs().max().item()
        reached = "yes" if slow / median >= TARGET and off <= TOLERANCE else "no"
        table.append([threads, rows, name, median, slow / median, *counts, off, reached])
    return table


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="turns of each way")
    rounds = parser.parse_args().rounds
    torch.set_num_threads(THREADS[0])
    flow = trained()
    table = []
    for threads in THREADS:
        for rows in ROWS:
            table += measure(flow, threads, rows, rounds)
            print(*table[-len(WINDOWS) - 2 :], sep="\n", flush=True)
    torch.set_num_threads(THREADS[0])
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
        ],
        seed=0,
    )


if __name__ == "__main__":
    main()
