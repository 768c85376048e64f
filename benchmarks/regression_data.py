"""The UCI regression tables with Gal's splits, and what is published about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from data import data_folder
from numpy.typing import NDArray

__all__ = ["PUBLISHED", "TABLES", "Table", "load"]

Array = NDArray[Any]

TABLES = {
    "boston": "bostonHousing",
    "concrete": "concrete",
    "energy": "energy",
    "naval": "naval-propulsion-plant",
    "power": "power-plant",
    "protein": "protein-tertiary-structure",
}

# test log-likelihood of MC dropout (Gal, Ghahramani, 2016) and of deep ensembles (Lakshminarayanan,
# Pritzel, Blundell, 2017)
PUBLISHED = {
    "boston": (-2.46, -2.41),
    "concrete": (-3.04, -3.06),
    "energy": (-1.99, -1.38),
    "naval": (3.80, 5.63),
    "power": (-2.80, -2.79),
    "protein": (-2.89, -2.83),
}

# a value so many times as frequent as any other is a heap
HEAP = 2


@dataclass(frozen=True)
class Table:
    """X (rows, features), y (rows,) and, of each split, which rows are its test rows."""

    X: Array
    y: Array
    test: Array

    @property
    def heap(self) -> float | None:
        """The value on which y is heaped, if there is one."""
        values, counts = np.unique(self.y, return_counts=True)
        first, second = np.argsort(-counts)[:2]
        return float(values[first]) if counts[first] >= HEAP * counts[second] else None


def load(name: str) -> Table:
    """One table."""
    path = data_folder("uci_regression") / f"{TABLES[name]}.npz"
    with np.load(path) as arrays:
        rows = int(arrays["n"])
        test = np.unpackbits(arrays["test_mask"], axis=1)[:, :rows].astype(bool)
        return Table(arrays["x"], arrays["y"][:, 0], test)
