"""What the tests of the command share: a small table, a small configuration."""

from __future__ import annotations

from pathlib import Path

import numpy as np

CONFIG = {"model": {"layers": 1, "hidden": [8]}, "fit": {"progress": False, "epochs": 1}}


def write_csv(path: Path, values: np.ndarray, names: str) -> Path:
    np.savetxt(path, values, delimiter=",", header=names, comments="", fmt="%.17g")
    return path


def values(rows: int = 200, columns: int = 3) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(rows, columns)) * [1.0, 5.0, 0.1][:columns]


def refused(result, message: str, folder: Path, *expected: Path) -> None:
    """Code 2, one line with the message, and nothing in the folder but the expected files."""
    assert result.code == 2
    (line,) = result.err.strip().splitlines()
    assert line.startswith("diffeo: error: ")
    assert message in line
    assert set(folder.iterdir()) == set(expected)
