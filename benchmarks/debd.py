"""Exact log-likelihoods of binary tables, beside independent columns and a tree.

python benchmarks/debd.py    # about five minutes of one core a seed; finished runs are kept
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
import torch
from data import data_folder
from runs import Runs
from table import write_table

from diffeo.tabular.any_order import AnyOrderFlow, LevelColumn
from diffeo.tabular.defaults import default_width, fit_options

SETS = ["nltcs", "plants", "baudio", "accidents", "mushrooms", "dna"]
SEEDS = [0, 1, 2]
TARGET = {"nltcs": -6.05}

Array = np.ndarray[Any, Any]


def load(name: str) -> tuple[Array, Array, Array]:
    """Training, validation and test rows of zeros and ones."""
    with np.load(data_folder("debd") / f"{name}.npz", allow_pickle=False) as file:
        columns = int(file["nvars"])
        parts = (np.unpackbits(file[k], axis=1)[:, :columns] for k in ("train", "valid", "test"))
        train, valid, test = (part.astype(np.float64) for part in parts)
    return train, valid, test


def independent(train: Array, test: Array) -> float:
    """Mean log-likelihood of independent columns, with half a count of each value added."""
    p = (train.sum(0) + 0.5) / (len(train) + 1)
    return float((test @ np.log(p) + (1 - test) @ np.log1p(-p)).mean())


def chow_liu(train: Array, test: Array) -> float:
    """Mean log-likelihood of the best tree (Chow, Liu, 1968), with the same counts added."""
    rows, columns = train.shape
    ones = train.T @ train
    only = train.sum(0)
    # joint[a, b][i, j] = P(x_i = a, x_j = b)
    joint = np.empty((2, 2, columns, columns))
    joint[1, 1], joint[1, 0] = ones, only[:, None] - ones
    joint[0, 1] = joint[1, 0].T
    joint[0, 0] = rows - joint[1, 1] - joint[1, 0] - joint[0, 1]
    joint = (joint + 0.5) / (rows + 2)
    p = np.stack([1 - (only + 0.5) / (rows + 1), (only + 0.5) / (rows + 1)])
    information = sum(
        joint[a, b] * np.log(joint[a, b] / (p[a][:, None] * p[b])) for a in (0, 1) for b in (0, 1)
    )
    total = np.log(np.where(test[:, 0] == 1, p[1, 0], p[0, 0]))
    inside, parent, best = {0}, np.zeros(columns, dtype=int), information[0].copy()
    while len(inside) < columns:
        best[list(inside)] = -np.inf
        child = int(best.argmax())
        above = parent[child]
        inside.add(child)
        a, b = test[:, above].astype(int), test[:, child].astype(int)
        pair = joint[:, :, above, child]
        total = total + np.log(pair[a, b] / pair.sum(1)[a])
        better = information[child] > best
        parent, best = np.where(better, child, parent), np.maximum(best, information[child])
    return float(total.mean())


def fitted(train: Array, valid: Array, test: Array, seed: int) -> dict[str, float]:
    """An AnyOrderFlow with TableFlow's defaults."""
    columns = [LevelColumn(2, closed=True)] * train.shape[1]
    flow = AnyOrderFlow(columns, width=default_width(len(train)), seed=seed)
    start = time.process_time()
    flow.fit(train, validation=valid, seed=seed, progress=False, **fit_options(len(train), {}))
    seconds = time.process_time() - start
    log_prob = flow.log_prob(test)
    error = float(log_prob.std(ddof=1)) / len(test) ** 0.5
    return {"mean": float(log_prob.mean()), "error": error, "seconds": seconds}


def main() -> None:
    """Run what is missing and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", nargs="*", default=SETS)
    parser.add_argument("--seeds", nargs="*", type=int, default=SEEDS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    runs = Runs("debd", {"width": default_width(16_000), "fit": fit_options(16_000, {})})
    for seed in arguments.seeds:
        for name in arguments.sets:
            if f"{name} {seed}" not in runs:
                runs.add(f"{name} {seed}", fitted(*load(name), seed))
    _write(runs)


def _write(runs: Runs) -> None:
    rows = []
    for name in SETS:
        found = [runs.found[f"{name} {s}"] for s in SEEDS if f"{name} {s}" in runs]
        if not found:
            continue
        train, _, test = load(name)
        means = [run["mean"] for run in found]
        rows.append(
            [
                name,
                train.shape[1],
                len(train),
                f"{independent(train, test):.3f}",
                f"{chow_liu(train, test):.3f}",
                ", ".join(f"{mean:.3f}" for mean in means),
                f"{max(run['error'] for run in found):.3f}",
                TARGET.get(name),
                None if name not in TARGET else "yes" if min(means) >= TARGET[name] else "NO",
                f"{np.median([run['seconds'] for run in found]):.0f}",
            ]
        )
    write_table(
        "debd",
        "Binary tables: mean test log-likelihood, nats a row",
        [
            "table",
            "columns",
            "rows",
            "independent",
            "Chow-Liu tree",
            "any order",
            "se",
            "target",
            "met",
            "CPU s",
        ],
        rows,
        notes=[
            "any order: `diffeo.tabular.any_order.AnyOrderFlow`, the density inside `TableFlow`, "
            "with the sizes and the fit that TableFlow has by default, one figure a seed; its "
            "log-likelihood is exact.",
            "se: standard error over the test rows. Trained on the training rows, stopped on the "
            "validation rows of the files. The other two are counted from the training rows.",
        ],
        seed=SEEDS,
    )


if __name__ == "__main__":
    main()
