"""Test log-likelihood of y given x on the power-plant table: conditional NSF beside a Gaussian.

The Gaussian's mean and standard deviation come from a network of the same size as each of the
flow's. 5 seeds.

    python benchmarks/conditional.py        # about 10 minutes on 2 cores
"""

from __future__ import annotations

import math
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import torch
from power_plant_data import split
from table import write_table

import diffeo
from diffeo.bases import DiagonalNormal
from diffeo.nets import StandardizeContext
from diffeo.transforms import Standardize

SEEDS = range(5)
INPUTS = 4
HIDDEN = (128, 128)


def _nsf(seed: int) -> diffeo.Flow:
    return diffeo.NSF(1, context=INPUTS, hidden=HIDDEN, seed=seed)


def _gaussian(seed: int) -> diffeo.Flow:
    torch.manual_seed(seed)
    base = DiagonalNormal(1, context=INPUTS, hidden=HIDDEN)
    return diffeo.Flow(base, Standardize(1), StandardizeContext(INPUTS))


MODELS = {"conditional NSF": _nsf, "heteroscedastic Gaussian": _gaussian}


def run(task: tuple[str, int]) -> tuple[str, int, float]:
    """Mean test log p(y | x) of one model on the split of one seed."""
    name, seed = task
    torch.set_num_threads(1)
    train, test = split(seed)
    model = MODELS[name](seed)
    model.fit(train[:, INPUTS:], context=train[:, :INPUTS], seed=seed, progress=False)
    return name, seed, float(model.log_prob(test[:, INPUTS:], context=test[:, :INPUTS]).mean())


def main() -> None:
    tasks = [(name, seed) for seed in SEEDS for name in MODELS]
    scores: dict[str, list[float]] = {}
    with ProcessPoolExecutor(max_workers=2) as pool:
        for name, seed, score in pool.map(run, tasks):
            print(name, seed, f"{score:.4f}", flush=True)
            scores.setdefault(name, []).append(score)
    lead = np.array(scores["conditional NSF"]) - np.array(scores["heteroscedastic Gaussian"])
    rows = [
        [name, f"{np.mean(values):.4f}", *(f"{v:.4f}" for v in values)]
        for name, values in scores.items()
    ]
    error = lead.std(ddof=1) / math.sqrt(len(lead))
    rows.append(["lead", f"{lead.mean():+.4f} ± {error:.4f}", *(f"{v:+.4f}" for v in lead)])
    write_table(
        "conditional",
        "Test log-likelihood of PE given AT, V, AP, RH",
        ["model", "nats a row (mean over seeds)", *(f"seed {seed}" for seed in SEEDS)],
        rows,
        notes=[
            "Splits and jitter as in the power-plant table.",
            f"Hidden layers {HIDDEN} in every network; every other option at its default.",
        ],
        seed=list(SEEDS),
        packages=["numpy"],
    )


if __name__ == "__main__":
    main()
