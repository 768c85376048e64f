"""Tables of ADBench with labelled anomalies, split by the protocol of DTE."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.preprocessing import StandardScaler

__all__ = ["ROWS", "SETTINGS", "SMALL", "Case", "load", "names", "split"]

SHARED = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
ROWS = 50_000
SMALL = 1_000
SETTINGS = ["one-class", "contaminated"]

Split = tuple[np.ndarray, np.ndarray, np.ndarray]


class Case(NamedTuple):
    """One table in one setting.

    Attributes:
        name: of the set.
        setting: "one-class": half of the normal rows to fit, the rest and the anomalies to test;
            "contaminated": a bootstrap of all rows to fit, all rows to test.
        duplicated: a table of fewer than 1,000 rows is first bootstrapped to 1,000, as DTE does;
            without, its rows are put in a random order.
        seed: of the bootstrap, of the subset of a large table, of the order.
    """

    name: str
    setting: str
    duplicated: bool
    seed: int

    @property
    def key(self) -> str:
        """As the finished runs are filed."""
        kind = self.setting if self.duplicated else f"{self.setting}, not duplicated"
        return f"{self.name} | {kind} | {self.seed}"


def folder() -> Path:
    """The sets: ``anomaly`` in $DIFFEO_DATA, by default in ../shared/data of the project."""
    path = Path(os.environ.get("DIFFEO_DATA", SHARED)) / "anomaly"
    if not path.is_dir():
        raise SystemExit(f"no sets at {path}: name the folder that holds `anomaly` in DIFFEO_DATA")
    return path


def names() -> list[str]:
    """All sets, those of the least values first."""
    sizes = {path.stem.partition("_")[2]: path.stat().st_size for path in folder().glob("*.npz")}
    return sorted(sizes, key=lambda name: sizes[name])


def load(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Rows (n, D) in float64 and labels (n,), 1 for an anomaly."""
    (path,) = folder().glob(f"*_{name}.npz")
    with np.load(path) as content:
        return content["X"].astype(np.float64), content["y"].ravel().astype(int)


def split(case: Case) -> Split:
    """Rows to fit, rows to test, labels of the latter; standardised by the rows to fit."""
    x, y = load(case.name)
    rng = np.random.default_rng(case.seed)
    if len(x) < SMALL:
        bootstrap = rng.integers(len(x), size=SMALL)
        chosen = bootstrap if case.duplicated else rng.permutation(len(x))
        x, y = x[chosen], y[chosen]
    elif len(x) > ROWS:
        chosen = rng.choice(len(x), ROWS, replace=False)
        x, y = x[chosen], y[chosen]
    train, test = _parts(y, case.setting, rng)
    scaler = StandardScaler().fit(x[train])
    return scaler.transform(x[train]), scaler.transform(x[test]), y[test]


def _parts(y: np.ndarray, setting: str, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the rows to fit and to test."""
    if setting == "contaminated":
        return rng.integers(len(y), size=len(y)), np.arange(len(y))
    normal, anomalies = np.flatnonzero(y == 0), np.flatnonzero(y == 1)
    half = round(0.5 * len(normal))
    return normal[:half], np.concatenate([normal[half:], anomalies])
