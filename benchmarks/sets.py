"""Sets of symbols whose entropy is known: shuffled elements, and numbers that add up to 42.

python benchmarks/sets.py                                  # minutes of one core a row
python benchmarks/sets.py --only "shuffling, autoregressive"

A row that is done is kept.
"""

from __future__ import annotations

import argparse
import math
from functools import partial
from typing import Any

import numpy as np
import torch
from runs import Runs
from symbols_lstm import trained
from table import write_table
from torch import Tensor

from diffeo.models import ArgmaxAutoregressive, ArgmaxCoupling
from diffeo.sequences import SymbolData, bits_per_symbol

SEED = 0
SIZE = 16
SUM = 42
TESTED = 4_000
DRAWS = 50
WANTED = {"shuffling": 0.03, "summation": 0.05}


def shuffled(count: int, seed: int) -> Tensor:
    """Orders of 16 elements, all equally probable."""
    draw = torch.Generator().manual_seed(seed)
    return torch.rand(count, SIZE, generator=draw).argsort(1).float()


def ways() -> list[list[int]]:
    """``ways()[n][s]``: in how many ways n numbers from 1 to 16 add up to s."""
    found = [[1] + [0] * SUM]
    for _ in range(SIZE):
        last = found[-1]
        found.append([sum(last[max(s - SIZE, 0) : s]) for s in range(SUM + 1)])
    return found


def summing(count: int, seed: int) -> Tensor:
    """16 numbers from 1 to 16 that add up to 42, all equally probable; a symbol is a number - 1."""
    table = np.array(ways(), dtype=np.float64)
    draw = np.random.default_rng(seed)
    left = np.full(count, SUM)
    columns = []
    for n in range(SIZE - 1, -1, -1):
        rest = left[:, None] - np.arange(1, SIZE + 1)
        weight = np.where(rest >= 0, table[n][rest.clip(0)], 0.0).cumsum(1)
        chosen = (draw.random(count)[:, None] * weight[:, -1:] >= weight).sum(1)
        left = left - chosen - 1
        columns.append(chosen)
    return torch.from_numpy(np.stack(columns, 1)).float()


DATA = {"shuffling": shuffled, "summation": summing}
OPTIMA = {
    "shuffling": math.log2(math.factorial(SIZE)) / SIZE,
    "summation": math.log2(ways()[SIZE][SUM]) / SIZE,
}
MODELS: dict[str, Any] = {
    "autoregressive": (
        lambda: ArgmaxAutoregressive(SIZE, SIZE, dim=64, layers=2, near=(), seed=SEED),
        {"steps": 1_000, "batch_size": 256, "lr": 2e-3},
    ),
    "coupling": (
        lambda: ArgmaxCoupling(SIZE, SIZE, couplings=8, dim=64, layers=1, seed=SEED),
        {"steps": 4_000, "batch_size": 128, "lr": 2e-3},
    ),
}


def run(task: str, model: str) -> dict[str, Any]:
    """One row."""
    build, options = MODELS[model]
    flow = build()
    record = trained(flow, partial(DATA[task], seed=SEED), seed=SEED, **options)
    test = SymbolData(DATA[task](TESTED, SEED + 1).numpy(), tuple(map(str, range(SIZE))))
    draws = 1 if flow.exactness == "exact" else DRAWS
    bits = bits_per_symbol(flow, test, num_samples=draws, seed=SEED)
    return {**record, "bits": bits.mean, "error": bits.error}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    rows = {f"{task}, {model}": (task, model) for task in DATA for model in MODELS}
    parser.add_argument("--only", choices=rows, help="the row that is measured, again if need be")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    runs = Runs("sets", {"seed": SEED, "tested": TESTED, "draws": DRAWS})
    for name, row in rows.items():
        if name == chosen.only or (chosen.only is None and name not in runs):
            runs.add(name, run(*row))
    write_table(
        "sets",
        "Sets of symbols whose entropy is known",
        _columns(),
        _rows(runs.found),
        notes=_notes(),
        seed=SEED,
    )


def _columns() -> list[str]:
    return [
        "set",
        "flow",
        "bits a variable",
        "optimum",
        "wanted",
        "parameters",
        "steps",
        "CPU s",
        "met",
    ]


def _rows(found: dict[str, Any]) -> list[list[Any]]:
    rows = []
    for task in DATA:
        for model in MODELS:
            got = found.get(f"{task}, {model}")
            wanted = OPTIMA[task] + WANTED[task]
            limits = [f"{OPTIMA[task]:.3f}", f"{wanted:.3f}"]
            if got is None:
                rows.append([task, model, "not measured", *limits, *[None] * 4])
                continue
            figure = f"{got['bits']:.3f} ± {got['error']:.3f}"
            met = "yes" if got["bits"] <= wanted else "NO"
            seconds = f"{got['seconds']:.0f}"
            rows.append(
                [task, model, figure, *limits, got["parameters"], got["steps"], seconds, met]
            )
    return rows


def _notes() -> list[str]:
    return [
        "Shuffling: 16 elements in any order, log2(16!) / 16 bits. Summation: 16 numbers from 1 to "
        f"16 with the sum {SUM}, of which there are {ways()[SIZE][SUM]:,}.",
        f"Every step trains on new sets; judged on {TESTED} others, mean and standard error. The "
        f"autoregressive flow is exact; of couplings it is the importance-weighted bound of "
        f"{DRAWS} draws.",
        'After "Categorical Normalizing Flows via Continuous Transformations", Lippe, Gavves, '
        "2020, arXiv:2006.09790.",
    ]


if __name__ == "__main__":
    main()
