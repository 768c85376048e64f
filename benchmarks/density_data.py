"""The tables of the density benchmark: columns that have a density, with noise on rounded ones."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from data import data_folder

from diffeo.training.ties import find_resolutions

__all__ = ["TABLES", "split", "split_as_recorded"]

REGRESSION = (
    "bostonHousing",
    "energy",
    "concrete",
    "power-plant",
    "naval-propulsion-plant",
    "protein-tertiary-structure",
)
PROCESSES = (
    "gas",
    "skillcraft",
    "sml",
    "parkinsons",
    "pol",
    "elevators",
    "bike",
    "keggundirected",
)
TABLES = REGRESSION + PROCESSES
NOISE_SEED = 0
# the largest residual, in standard deviations, at which a column counts as linear in others
LINEAR = 1e-5


@cache
def _load(name: str) -> tuple[np.ndarray, np.ndarray]:
    """The rows (n, D), targets among them, and which are tested in each fold (folds, n)."""
    if name in REGRESSION:
        with np.load(data_folder("uci_regression") / f"{name}.npz", allow_pickle=False) as file:
            rows = np.hstack([file["x"], file["y"]]).astype(np.float64)
            tested = np.unpackbits(file["test_mask"], axis=1)[:, : len(rows)]
    else:
        with np.load(data_folder("uci_gp") / f"{name}.npz", allow_pickle=False) as file:
            rows = file["x"].astype(np.float64)
            tested = np.unpackbits(file["test_mask"], axis=0)[: len(rows)].T
    return rows[:, _independent(rows)], tested.astype(bool)


@cache
def _smoothed(name: str) -> np.ndarray:
    """The rows with noise of their resolution in tied columns."""
    rows, _ = _load(name)
    steps = find_resolutions(torch.from_numpy(rows)).numpy()
    noise = np.random.default_rng(NOISE_SEED).uniform(-0.5, 0.5, rows.shape)
    return rows + steps * noise


def _independent(rows: np.ndarray) -> list[int]:
    """Columns that are neither constant nor an exact function of those before."""
    kept: list[int] = []
    for j, column in enumerate(rows.T):
        if column.max() == column.min() or any(_looked_up(rows[:, k], column) for k in kept):
            continue
        if not kept or not _linear(rows[:, kept], column):
            kept.append(j)
    return kept


def _looked_up(key: np.ndarray, column: np.ndarray) -> bool:
    """Whether a column is a function of one that has few values."""
    keys, index = np.unique(key, return_inverse=True)
    if len(keys) > len(key) / 4:
        return False
    low, high = np.full(len(keys), np.inf), np.full(len(keys), -np.inf)
    np.minimum.at(low, index, column)
    np.maximum.at(high, index, column)
    return bool((low == high).all())


def _linear(others: np.ndarray, column: np.ndarray) -> bool:
    x = (others - others.mean(0)) / others.std(0)
    y = (column - column.mean()) / column.std()
    residual = y - x @ np.linalg.lstsq(x, y, rcond=1e-10)[0]
    return bool(np.abs(residual).max() < LINEAR)


def split(name: str, fold: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows to fit, in a random order, and rows to test, of one of the published folds."""
    return _cut(_smoothed(name), name, fold)


def split_as_recorded(name: str, fold: int) -> tuple[np.ndarray, np.ndarray]:
    """The same rows without noise."""
    return _cut(_load(name)[0], name, fold)


def _cut(rows: np.ndarray, name: str, fold: int) -> tuple[np.ndarray, np.ndarray]:
    _, tested = _load(name)
    train = np.random.default_rng(fold).permutation(np.flatnonzero(~tested[fold]))
    return rows[train], rows[tested[fold]]
