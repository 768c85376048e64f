"""The power-plant table as the benchmarks use it: ties jittered once, the same for every model."""

from __future__ import annotations

from pathlib import Path

import numpy as np

__all__ = ["FEATURES", "split"]

PATH = Path(__file__).resolve().parent.parent / "examples" / "power_plant.csv"
RESOLUTION = 0.01
JITTER_SEED = 0
FEATURES = 5


def split(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """80 % of the rows to fit and 20 % to test, (rows, 5) each, in a random order of ``seed``."""
    table = np.loadtxt(PATH, delimiter=",", skiprows=1)
    noise = np.random.default_rng(JITTER_SEED).uniform(-0.5, 0.5, table.shape)
    table = table + RESOLUTION * noise
    order = np.random.default_rng(seed).permutation(len(table))
    cut = len(table) // 5
    return table[order[cut:]], table[order[:cut]]
